#include "models/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor frozen_forward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return bias.defined() ? at::addmm(bias, x, weight.t()) : at::mm(x, weight.t());
}

at::Tensor masked(const at::Tensor& x, const at::Tensor& mask) {
  return mask.defined() ? x * mask : x;
}

// y = x W^T + bias + scaling * (x * mask) A^T B^T, one node: no sum of two [N, out] results, no
// gradient for W. The mask is of 0 and 1; `scaling` has dropout's 1 / (1 - p) in it.
struct LoraLinear : torch::autograd::Function<LoraLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& a,
                            const at::Tensor& b, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias,
                            const std::optional<at::Tensor>& keep, double scaling) {
    const at::Tensor mask = keep.value_or(at::Tensor());
    const at::Tensor h = at::mm(masked(x, mask), a.to(x.scalar_type()).t());  // [N, r]
    at::Tensor y = frozen_forward(x, weight, bias.value_or(at::Tensor()));
    y.addmm_(h, b.to(x.scalar_type()).t(), 1, scaling);
    ctx->save_for_backward({x, a, b, weight, mask, h});
    ctx->saved_data["scaling"] = scaling;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &a = saved[1], &b = saved[2], &weight = saved[3],
                     &mask = saved[4], &h = saved[5];
    const double scaling = ctx->saved_data["scaling"].toDouble();
    const at::Tensor g = grads[0].contiguous();
    const auto type = x.scalar_type();
    const at::Tensor gh = at::mm(g, b.to(type)).mul_(scaling);  // [N, r]
    const at::Tensor grad_a = at::mm(gh.t(), masked(x, mask)).to(at::kFloat);
    const at::Tensor grad_b = at::mm(g.t(), h).to(at::kFloat).mul_(scaling);
    at::Tensor grad_x;
    if (ctx->needs_input_grad(0)) {
      grad_x = at::mm(g, weight);
      if (mask.defined()) {
        grad_x.addcmul_(at::mm(gh, a.to(type)), mask);
      } else {
        grad_x.addmm_(gh, a.to(type));
      }
    }
    return {grad_x, grad_a, grad_b, {}, {}, {}, {}};
  }
};

}  // namespace

Linear make_linear(const std::string& name, int64_t in, int64_t out, bool bias) {
  Linear linear;
  linear.name = name;
  linear.in = in;
  linear.out = out;
  linear.has_bias = bias;
  return linear;
}

at::Tensor Linear::forward(const at::Tensor& x, const Dropout& dropout) const {
  if (!lora) return frozen_forward(x, weight, bias);
  std::optional<at::Tensor> mask, bias_or_none;
  if (bias.defined()) bias_or_none = bias;
  double scaling = lora->scaling;
  if (dropout && lora->dropout > 0) {
    mask = dropout_mask(x, lora->dropout, *dropout, lora->module);
    scaling /= 1 - lora->dropout;
  }
  return LoraLinear::apply(x, lora->a, lora->b, weight, bias_or_none, mask, scaling);
}

}  // namespace tptt
