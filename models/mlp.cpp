#include "models/mlp.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <torch/csrc/autograd/custom_function.h>

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Saves gate and up only; silu(gate) is recomputed in the backward.
struct SwiGlu : torch::autograd::Function<SwiGlu> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate, const at::Tensor& up) {
    ctx->save_for_backward({gate, up});
    return at::silu(gate).mul_(up);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor& g = grads[0];
    return {at::silu_backward(g * saved[1], saved[0]), at::silu(saved[0]).mul_(g)};
  }
};

}  // namespace

at::Tensor Mlp::forward(const at::Tensor& x, const Dropout& dropout) const {
  const at::Tensor gate = gate_proj.forward(x, dropout), up = up_proj.forward(x, dropout);
  return down_proj.forward(SwiGlu::apply(gate, up), dropout);
}

}  // namespace tptt
