#include "models/liza/liza_attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "models/liza/operator.h"

namespace tptt {
namespace {

constexpr double kEps = 1e-6;

at::Tensor heads_first(const at::Tensor& x, const SegmentLayout& layout,
                       const SegmentGroup& group) {
  return to_padded(x, layout, group).transpose(1, 2);  // [S, heads, L, D]
}

// Raw values of each row's last two positions [S, G, 2, D]; a row of one token repeats it.
at::Tensor last_two(const at::Tensor& x, const std::vector<int64_t>& lengths) {
  std::vector<at::Tensor> rows;
  for (size_t i = 0; i < lengths.size(); ++i) {
    const int64_t end = lengths[i];
    const at::Tensor row = x[int64_t(i)];  // [G, L, D]
    rows.push_back(
        at::stack({row.select(1, std::max<int64_t>(end - 2, 0)), row.select(1, end - 1)}, 1));
  }
  return at::stack(rows);
}

void put_rows(at::Tensor& all, const at::Tensor& rows, const SegmentGroup& group,
              int64_t num_sequences) {
  if (!all.defined()) {
    auto shape = rows.sizes().vec();
    shape[0] = num_sequences;
    all = at::empty(shape, rows.options());
  }
  for (size_t i = 0; i < group.sequences.size(); ++i)
    all[group.sequences[i]].copy_(rows[int64_t(i)]);
}

at::Tensor decode_branch(const LizaLayer& layer, const at::Tensor& q, const at::Tensor& k,
                         const at::Tensor& v, LizaState& state) {
  const at::Tensor k1 = k.unsqueeze(2), v1 = v.unsqueeze(2);  // [S, G, 1, D]
  const DeltaRuleInput input =
      liza_inputs(q.unsqueeze(2), k1, v1, layer.config.operator_mode, {}, &state);
  const DeltaRuleOutput out = recurrent_delta_rule(input, state.memory);
  state.memory = out.state;
  state.last_k = at::stack({state.last_k.select(2, 1), k}, 2);
  state.last_v = at::stack({state.last_v.select(2, 1), v}, 2);
  return out.o.squeeze(2);
}

at::Tensor rms_over(const at::Tensor& x, at::IntArrayRef dims) {
  return x.square().mean(dims, true).add(kEps);  // mean square + eps
}

}  // namespace

double LizaLayer::mean_weight() const {
  return gate.defined() ? gate.detach().sigmoid().mean().item<double>() : mag_weight;
}

at::Tensor liza_branch(const LizaLayer& layer, const at::Tensor& q, const at::Tensor& k,
                       const at::Tensor& v, const SegmentLayout& layout, LizaState* state,
                       bool decoding) {
  if (decoding) return decode_branch(layer, q, k, v, *state);
  const int64_t num_sequences = int64_t(layout.lengths.size());
  std::vector<at::Tensor> blocks;
  for (const auto& group : layout.groups) {
    const at::Tensor kp = heads_first(k, layout, group), vp = heads_first(v, layout, group);
    const DeltaRuleInput input = liza_inputs(heads_first(q, layout, group), kp, vp,
                                             layer.config.operator_mode, group.lengths, nullptr);
    const DeltaRuleOutput out =
        chunk_delta_rule(input, {}, layer.config.max_chunk_size, state != nullptr);
    blocks.push_back(out.o.transpose(1, 2));
    if (!state) continue;
    std::vector<int64_t> lengths;
    for (const int64_t s : group.sequences) lengths.push_back(layout.lengths[s]);
    put_rows(state->memory, out.state, group, num_sequences);
    put_rows(state->last_k, last_two(kp, lengths), group, num_sequences);
    put_rows(state->last_v, last_two(vp, lengths), group, num_sequences);
  }
  return from_padded(blocks, layout);
}

at::Tensor mag_mix(const LizaLayer& layer, const at::Tensor& soft, const at::Tensor& lin,
                   bool linear_only) {
  const at::Tensor s = soft.to(lin.scalar_type());
  at::Tensor scaled;
  if (layer.config.branch_scale == "match") {
    scaled = lin * (rms_over(s, {-1}) / rms_over(lin, {-1})).sqrt();
  } else {
    scaled = lin * rms_over(lin, {-2, -1}).rsqrt();
  }
  if (linear_only) return scaled.to(soft.scalar_type());
  if (!layer.gate.defined()) return at::lerp(s, scaled, layer.mag_weight).to(soft.scalar_type());
  const at::Tensor mu = layer.gate.sigmoid().to(s.scalar_type()).view({1, -1, 1});
  return at::lerp(s, scaled, mu.expand_as(s)).to(soft.scalar_type());
}

}  // namespace tptt
