#include "models/norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/rsqrt.h>
#include <torch/csrc/autograd/custom_function.h>

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// dx = r * (gw - xhat * mean(gw * xhat)) with r = rsqrt(mean(x^2) + eps), xhat = x * r, gw = g * w.
struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            double eps) {
    const at::Tensor xf = x.to(at::kFloat);
    const at::Tensor r = at::rsqrt(at::mean(xf.square(), -1, true).add_(eps));  // [N, 1]
    ctx->save_for_backward({x, weight, r});
    // A float32 weight for a narrower x multiplies before the cast.
    return (weight * xf.mul(r).to(weight.scalar_type())).to(x.scalar_type());
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor xhat = saved[0].to(at::kFloat).mul(saved[2]);
    const at::Tensor gw = grads[0].to(at::kFloat).mul(saved[1]);
    const at::Tensor dot = at::mean(gw * xhat, -1, true);
    return {gw.sub(xhat.mul_(dot)).mul_(saved[2]).to(saved[0].scalar_type()), {}, {}};
  }
};

at::Tensor layer_norm(const Norm& norm, const at::Tensor& x) {
  std::optional<at::Tensor> weight, bias;
  if (norm.weight.defined()) weight = norm.weight.to(at::kFloat);
  if (norm.bias.defined()) bias = norm.bias.to(at::kFloat);
  return at::layer_norm(x.to(at::kFloat), x.sizes().slice(x.dim() - 1), weight, bias,
                        norm.config.eps)
      .to(x.scalar_type());
}

}  // namespace

at::Tensor Norm::forward(const at::Tensor& x) const {
  if (name.empty()) return x;
  if (config.layer_norm) return layer_norm(*this, x);
  at::Tensor w = config.multiply_float32 ? weight.to(at::kFloat) : weight;
  if (config.weight_offset != 0) w = w + config.weight_offset;
  return RmsNorm::apply(x, w, config.eps);
}

}  // namespace tptt
