#include "models/liza/liza_attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "models/host_tensor.h"
#include "models/liza/gates.h"
#include "models/optional_tensor.h"

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kLast = 3;  // rows that pooled gates and differences of the next token need

at::ScalarType precision_of(const LizaConfig& config) {
  return config.linear_precision == "float64" ? at::kDouble : at::kFloat;
}

struct Output {
  at::Tensor o, state;
};

Output run_operator(const LizaConfig& config, const MemoryWeights& weights, const at::Tensor& q,
                    const at::Tensor& k, const at::Tensor& v, const at::Tensor& lengths,
                    bool need_state) {
  const OperatorMode& mode = find_operator_mode(config.operator_mode);
  if (config.implementation == "tptt") {
    const TpttOutput out = tptt_operator(tptt_inputs(q, k, v, mode, precision_of(config)), {},
                                         tptt_chunk_size(q.size(2), config.max_chunk_size));
    return {out.o, out.state};
  }
  const DeltaRuleOutput out =
      chunk_delta_rule(exact_inputs(q, k, v, mode, weights, lengths, precision_of(config)), {},
                       config.max_chunk_size, need_state);
  return {out.o, out.state};
}

// Gradients of those of `inputs` that need one; the rest stays undefined.
variable_list grad_of(const variable_list& outputs, const variable_list& inputs,
                      const variable_list& grads) {
  variable_list out_needed, in_needed, grad_needed;
  for (size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].defined() && outputs[i].requires_grad())
      out_needed.push_back(outputs[i]), grad_needed.push_back(grads[i]);
  for (const auto& x : inputs)
    if (x.requires_grad()) in_needed.push_back(x);
  const variable_list found = torch::autograd::grad(out_needed, in_needed, grad_needed, {}, false,
                                                    /*allow_unused=*/true);
  variable_list all(inputs.size());
  for (size_t i = 0, next = 0; i < inputs.size(); ++i)
    if (inputs[i].requires_grad()) all[i] = found[next++];
  return all;
}

// Gates and operator as one node that saves the raw projections only: the rest is cheap to make
// again, and is most of what a step would otherwise keep.
struct LizaMemory : torch::autograd::Function<LizaMemory> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const std::optional<at::Tensor>& q_map,
                            const std::optional<at::Tensor>& k_map,
                            const std::optional<at::Tensor>& beta_weight,
                            const std::optional<at::Tensor>& beta_bias,
                            const std::optional<at::Tensor>& lengths, const LizaConfig& config,
                            at::Tensor* state_norm) {
    const MemoryWeights weights{or_undefined(q_map), or_undefined(k_map), or_undefined(beta_weight),
                                or_undefined(beta_bias)};
    ctx->save_for_backward({q, k, v, weights.q_map, weights.k_map, weights.beta_weight,
                            weights.beta_bias, or_undefined(lengths)});
    ctx->saved_data["operator_mode"] = config.operator_mode;
    ctx->saved_data["implementation"] = config.implementation;
    ctx->saved_data["linear_precision"] = config.linear_precision;
    ctx->saved_data["max_chunk_size"] = config.max_chunk_size;
    const Output out =
        run_operator(config, weights, q, k, v, or_undefined(lengths), state_norm != nullptr);
    if (state_norm) {
      const at::Tensor norm = at::linalg_vector_norm(out.state, 2, {-2, -1}).max();
      *state_norm = state_norm->defined() ? at::maximum(*state_norm, norm) : norm;
    }
    return out.o;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    LizaConfig config;
    config.operator_mode = ctx->saved_data["operator_mode"].toStringRef();
    config.implementation = ctx->saved_data["implementation"].toStringRef();
    config.linear_precision = ctx->saved_data["linear_precision"].toStringRef();
    config.max_chunk_size = ctx->saved_data["max_chunk_size"].toInt();
    variable_list raw;  // q, k, v, then the memory's weights, as many as there are
    for (size_t i = 0; i < 7 && saved[i].defined(); ++i)
      raw.push_back(saved[i].detach().requires_grad_(ctx->needs_input_grad(i)));
    variable_list g = config.implementation == "tptt"
                          ? tptt_backward(config, raw, grads[0])
                          : exact_backward(config, raw, saved[7], grads[0]);
    g.resize(10);
    return g;
  }

  static variable_list tptt_backward(const LizaConfig& config, const variable_list& raw,
                                     const at::Tensor& grad) {
    c10::AutoGradMode with_grad(true);
    return grad_of({run_operator(config, {}, raw[0], raw[1], raw[2], {}, false).o}, raw, {grad});
  }

  static variable_list exact_backward(const LizaConfig& config, const variable_list& raw,
                                      const at::Tensor& lengths, const at::Tensor& grad) {
    DeltaRuleInput in;
    {
      c10::AutoGradMode with_grad(true);
      const MemoryWeights weights =
          raw.size() > 3 ? MemoryWeights{raw[3], raw[4], raw[5], raw[6]} : MemoryWeights{};
      in = exact_inputs(raw[0], raw[1], raw[2], find_operator_mode(config.operator_mode), weights,
                        lengths, precision_of(config));
    }
    const DeltaRuleGrad g = chunk_delta_rule_backward(in, {}, config.max_chunk_size, grad, {});
    return grad_of({in.q, in.k, in.v, in.beta, in.log_alpha}, raw,
                   {g.q, g.k, g.v, g.beta, g.log_alpha});
  }
};

at::Tensor heads_first(const at::Tensor& x, const SegmentLayout& layout,
                       const SegmentGroup& group) {
  return to_padded(x, layout, group).transpose(1, 2);  // [S, heads, L, D]
}

// Raw values [S, heads, rows, D] of each row's last positions [S, heads, 3, D]; a shorter row
// repeats its first.
at::Tensor last_rows(const at::Tensor& x, const std::vector<int64_t>& lengths) {
  const int64_t length = x.size(2);
  const bool full =
      std::all_of(lengths.begin(), lengths.end(), [&](int64_t l) { return l == length; });
  if (full && length >= kLast) return x.narrow(2, length - kLast, kLast);
  std::vector<at::Tensor> rows;
  for (size_t i = 0; i < lengths.size(); ++i) {
    std::vector<at::Tensor> last;
    for (int64_t back = kLast; back > 0; --back)
      last.push_back(x[int64_t(i)].select(1, std::max<int64_t>(lengths[i] - back, 0)));
    rows.push_back(at::stack(last, 1));
  }
  return at::stack(rows);
}

// Whether these are all of `count` sequences, in order.
bool are_all(const std::vector<int64_t>& sequences, int64_t count) {
  for (size_t i = 0; i < sequences.size(); ++i)
    if (sequences[i] != int64_t(i)) return false;
  return int64_t(sequences.size()) == count;
}

// The rows of one group's sequences to their places among those of all.
void put_rows(at::Tensor& all, const at::Tensor& rows, const SegmentGroup& group,
              const SegmentLayout& layout) {
  if (are_all(group.sequences, int64_t(layout.lengths.size()))) {
    all = rows;
    return;
  }
  if (&group == &layout.groups.front()) {
    auto shape = rows.sizes().vec();
    shape[0] = int64_t(layout.lengths.size());
    all = at::empty(shape, rows.options());
  }
  all.index_copy_(0, host_tensor(group.sequences, rows.device()), rows);
}

// The past of one group's sequences.
struct GroupPast {
  LizaState state;
  at::Tensor position;  // [S]
};

// Decoding goes on with all sequences: nothing is copied then.
GroupPast past_of(const LizaPast& past, const SegmentGroup& group) {
  std::vector<int64_t> rows;
  for (const int64_t s : group.sequences) rows.push_back(past.sequences[size_t(s)]);
  const auto select = [](const at::Tensor& x, const std::vector<int64_t>& wanted) {
    return are_all(wanted, x.size(0)) ? x : x.index_select(0, host_tensor(wanted, x.device()));
  };
  const LizaState& state = past.state;
  return {{select(state.memory, rows), select(state.last_q, rows), select(state.last_k, rows),
           select(state.last_v, rows)},
          select(past.position, group.sequences)};
}

// The operator over a window that begins with the last rows of the past, of whose inputs only the
// new tokens' count.
Output continue_operator(const LizaConfig& config, const MemoryWeights& weights,
                         const at::Tensor& qw, const at::Tensor& kw, const at::Tensor& vw,
                         const GroupPast& past, const at::Tensor& lengths) {
  const OperatorMode& mode = find_operator_mode(config.operator_mode);
  const int64_t added = qw.size(2) - kLast;
  const auto newest = [&](at::Tensor& x, int64_t rows) {
    if (x.defined()) x = x.narrow(2, kLast * rows, added * rows);
  };
  if (config.implementation == "tptt") {
    TORCH_INTERNAL_ASSERT(added == 1, "the package's chunks begin with the text");
    TpttInput in = tptt_inputs(qw, kw, vw, mode, precision_of(config));
    for (at::Tensor* x : {&in.q, &in.k, &in.v, &in.beta, &in.alpha}) newest(*x, mode.order);
    const TpttOutput out = tptt_operator(in, past.state.memory, 1);
    return {out.o, out.state};
  }
  DeltaRuleInput in =
      exact_inputs(qw, kw, vw, mode, weights, lengths.defined() ? lengths + kLast : lengths,
                   precision_of(config));
  newest(in.q, 1);
  for (at::Tensor* x : {&in.k, &in.v, &in.beta, &in.log_alpha}) newest(*x, mode.order);
  in.lengths = lengths;
  in.position = past.position;
  // Activations fall due inside chunks that begin anywhere.
  const bool by_token = added == 1 || in.activated;
  const DeltaRuleOutput out =
      by_token ? recurrent_delta_rule(in, past.state.memory)
               : chunk_delta_rule(in, past.state.memory, config.max_chunk_size, true);
  return {out.o, out.state};
}

}  // namespace

at::Tensor liza_branch(const LizaConfig& config, const MemoryWeights& weights, const at::Tensor& q,
                       const at::Tensor& k, const at::Tensor& v, const SegmentLayout& layout,
                       const std::optional<LizaPast>& past, LizaState* state,
                       at::Tensor* state_norm) {
  std::vector<at::Tensor> blocks;
  LizaState after;
  for (const auto& group : layout.groups) {
    at::Tensor qp = heads_first(q, layout, group), kp = heads_first(k, layout, group),
               vp = heads_first(v, layout, group);
    if (!past && !state) {
      const auto lengths = group.lengths.defined() ? std::optional(group.lengths) : std::nullopt;
      blocks.push_back(LizaMemory::apply(qp, kp, vp, or_none(weights.q_map), or_none(weights.k_map),
                                         or_none(weights.beta_weight), or_none(weights.beta_bias),
                                         lengths, config, state_norm)
                           .transpose(1, 2));
      continue;
    }
    Output out;
    if (past) {
      const GroupPast before = past_of(*past, group);
      qp = at::cat({before.state.last_q, qp}, 2);
      kp = at::cat({before.state.last_k, kp}, 2);
      vp = at::cat({before.state.last_v, vp}, 2);
      out = continue_operator(config, weights, qp, kp, vp, before, group.lengths);
    } else {
      out = run_operator(config, weights, qp, kp, vp, group.lengths, true);
    }
    blocks.push_back(out.o.transpose(1, 2));
    if (!state) continue;
    std::vector<int64_t> lengths;
    for (const int64_t s : group.sequences)
      lengths.push_back(layout.lengths[size_t(s)] + (past ? kLast : 0));
    put_rows(after.memory, out.state, group, layout);
    put_rows(after.last_q, last_rows(qp, lengths), group, layout);
    put_rows(after.last_k, last_rows(kp, lengths), group, layout);
    put_rows(after.last_v, last_rows(vp, lengths), group, layout);
  }
  if (state) *state = std::move(after);
  return from_padded(blocks, layout);
}

}  // namespace tptt
