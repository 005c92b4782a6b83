#include "models/norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/layer_norm.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/kernels/rms_norm.h"

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            double eps) {
    const auto [y, r] = rms_norm_forward(x, weight, eps);
    ctx->save_for_backward({x, weight, r});
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    return {rms_norm_backward(grads[0], saved[0], saved[1], saved[2]), {}, {}};
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
  if (!c10::GradMode::is_enabled()) return rms_norm_forward(x, w, config.eps).first;
  return RmsNorm::apply(x, w, config.eps);
}

}  // namespace tptt
