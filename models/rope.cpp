#include "models/rope.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor llama3_scaled(const at::Tensor& inv_freq, const RopeScaling& s) {
  const double old_length = double(s.original_max_position_embeddings);
  const at::Tensor wavelength = 2 * M_PI / inv_freq;
  const at::Tensor slow = inv_freq / s.factor;
  const at::Tensor smooth =
      (old_length / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
  const at::Tensor blended = (1 - smooth) * slow + smooth * inv_freq;
  const at::Tensor low = wavelength > old_length / s.low_freq_factor;
  const at::Tensor high = wavelength < old_length / s.high_freq_factor;
  return at::where(low, slow, at::where(high, inv_freq, blended));
}

at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, double sign) {
  const int64_t half = x.size(-1) / 2;
  const at::Tensor xf = x.to(at::kFloat);
  const at::Tensor a = xf.narrow(-1, 0, half), b = xf.narrow(-1, half, half);
  at::Tensor out = at::empty_like(xf, at::MemoryFormat::Contiguous);
  at::Tensor first = out.narrow(-1, 0, half), second = out.narrow(-1, half, half);
  first.copy_(a).mul_(cos).addcmul_(b, sin, -sign);
  second.copy_(b).mul_(cos).addcmul_(a, sin, sign);
  return out.to(x.scalar_type());
}

// The rotation's transpose is the rotation by the opposite angle.
struct Rope : torch::autograd::Function<Rope> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& cos,
                            const at::Tensor& sin) {
    ctx->save_for_backward({cos, sin});
    return rotate(x, cos, sin, 1);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    return {rotate(grads[0], saved[0], saved[1], -1), {}, {}};
  }
};

}  // namespace

at::Tensor rope_inv_freq(const ModelConfig& config) {
  const at::Tensor exponent =
      at::arange(0, config.head_dim, 2, at::TensorOptions().dtype(at::kFloat)) /
      double(config.head_dim);
  const at::Tensor inv_freq = 1.0 / at::pow(at::Scalar(config.rope_theta), exponent);
  const RopeScaling& scaling = config.rope_scaling;
  if (!scaling.freq_factors.empty()) return inv_freq / at::tensor(scaling.freq_factors, at::kFloat);
  if (scaling.rope_type == "linear") return inv_freq / scaling.factor;
  if (scaling.rope_type == "llama3") return llama3_scaled(inv_freq, scaling);
  return inv_freq;
}

RopeTable rope_table(const at::Tensor& inv_freq, const at::Tensor& positions) {
  const at::Tensor angle = positions.to(at::kFloat).unsqueeze(-1) * inv_freq;  // [N, D/2]
  return {angle.cos().unsqueeze(1), angle.sin().unsqueeze(1)};
}

at::Tensor apply_rope(const at::Tensor& x, const RopeTable& table) {
  return Rope::apply(x, table.cos, table.sin);
}

}  // namespace tptt
