#include "models/liza/operator.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/kernels/chunk_delta.h"
#include "models/liza/chunks.h"
#include "models/optional_tensor.h"

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor outputs(const Chunks& x) {
  at::Tensor scores = at::matmul(x.q, transposed(x.kb));  // [R * C, M]
  at::Tensor o = at::matmul(scale_reads(scores, x.read_mask, x.z), at::stack(x.us, 2));
  if (x.w.defined()) {
    at::Tensor past = at::matmul(x.q, at::stack(x.starts, 2));
    o.add_(x.read_c.defined() ? scale_reads(past, x.read_c, x.z) : past);
  }
  return from_reads(o, x.z);
}

DeltaRuleOutput forward_of(const DeltaRuleInput& in, const at::Tensor& state, int64_t chunk_size,
                           bool need_final_state) {
  if (has_chunk_kernel(in)) return chunk_delta_forward(in, state, chunk_size, need_final_state);
  const Chunks x = make_chunks(in, state, chunk_size, need_final_state);
  return {outputs(x), x.final_state};
}

// Saves its inputs only.
struct ChunkDeltaRule : torch::autograd::Function<ChunkDeltaRule> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k,
                               const at::Tensor& v, const at::Tensor& beta,
                               const std::optional<at::Tensor>& log_alpha,
                               const std::optional<at::Tensor>& lengths, bool activated,
                               const std::optional<at::Tensor>& state, int64_t chunk_size,
                               bool need_final_state) {
    ctx->save_for_backward(
        {q, k, v, beta, or_undefined(log_alpha), or_undefined(lengths), or_undefined(state)});
    ctx->saved_data["activated"] = activated;
    ctx->saved_data["chunk_size"] = chunk_size;
    const DeltaRuleInput in{
        q, k, v, beta, or_undefined(log_alpha), activated, or_undefined(lengths), {}};
    const DeltaRuleOutput out = forward_of(in, or_undefined(state), chunk_size, need_final_state);
    return need_final_state ? variable_list{out.o, out.state} : variable_list{out.o};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const DeltaRuleInput in{saved[0], saved[1], saved[2],
                            saved[3], saved[4], ctx->saved_data["activated"].toBool(),
                            saved[5], {}};
    const at::Tensor grad_o = grads[0].defined() ? grads[0] : at::zeros_like(in.q);
    const DeltaRuleGrad g =
        chunk_delta_rule_backward(in, saved[6], ctx->saved_data["chunk_size"].toInt(), grad_o,
                                  grads.size() > 1 ? grads[1] : at::Tensor());
    const at::Tensor grad_first = saved[6].defined() ? g.state : at::Tensor();
    return {g.q, g.k, g.v, g.beta, g.log_alpha, {}, {}, grad_first, {}, {}};
  }
};

}  // namespace

DeltaRuleOutput chunk_delta_rule(const DeltaRuleInput& in, const at::Tensor& state,
                                 int64_t chunk_size, bool need_final_state) {
  at::Tensor first = state;
  if (need_final_state && !state.defined())
    first = at::zeros({in.k.size(0), in.k.size(1), in.k.size(3), in.v.size(3)}, in.k.options());
  const variable_list out =
      ChunkDeltaRule::apply(in.q, in.k, in.v, in.beta, or_none(in.log_alpha), or_none(in.lengths),
                            in.activated, or_none(first), chunk_size, need_final_state);
  return {out[0], need_final_state ? out[1] : at::Tensor()};
}

}  // namespace tptt
