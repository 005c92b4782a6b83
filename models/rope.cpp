#include "models/rope.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "models/kernels/rotary.h"

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor plain_inv_freq(const RopeConfig& c, double theta) {
  const auto exponent =
      at::arange(0, c.rotary_dim, 2, at::TensorOptions().dtype(at::kFloat)) / double(c.rotary_dim);
  return 1.0 / at::pow(at::Scalar(theta), exponent);
}

at::Tensor llama3_scaled(const at::Tensor& inv_freq, const RopeConfig& s) {
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

// The frequency index that turns `rotations` times over the original context.
double correction_dim(const RopeConfig& s, double rotations) {
  const double turns = double(s.original_max_position_embeddings) / (rotations * 2 * M_PI);
  return double(s.rotary_dim) * std::log(turns) / (2 * std::log(s.rope_theta));
}

// YaRN: fast frequencies stay, slow ones are interpolated, a linear ramp between.
at::Tensor yarn_scaled(const at::Tensor& inv_freq, const RopeConfig& s) {
  double low = correction_dim(s, s.beta_fast), high = correction_dim(s, s.beta_slow);
  if (s.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, double(s.rotary_dim - 1));
  if (low == high) high += 0.001;
  const at::Tensor ramp =
      ((at::arange(s.rotary_dim / 2, at::TensorOptions().dtype(at::kFloat)) - low) / (high - low))
          .clamp(0, 1);
  return inv_freq / s.factor * ramp + inv_freq * (1 - ramp);
}

// NTK-aware scaling for sequences longer than the model was made for.
at::Tensor dynamic_inv_freq(const RopeConfig& s, int64_t length) {
  const double longest = double(s.max_position_embeddings), dim = double(s.rotary_dim);
  const double stretch = s.factor * double(length) / longest - (s.factor - 1);
  return plain_inv_freq(s, s.rope_theta * std::pow(stretch, dim / (dim - 2)));
}

// The rotation's transpose is the rotation by the opposite angle (both times attention_factor).
struct Rotation : torch::autograd::Function<Rotation> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& cos,
                            const at::Tensor& sin) {
    ctx->save_for_backward({cos, sin});
    return rotate_halves(x, cos, sin, 1);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    return {rotate_halves(grads[0], saved[0], saved[1], -1), {}, {}};
  }
};

}  // namespace

Rope make_rope(const RopeConfig& c, const at::Device& device) {
  Rope rope{c, plain_inv_freq(c, c.rope_theta), {}};
  const at::Tensor plain = rope.inv_freq;
  if (!c.freq_factors.empty()) {
    rope.inv_freq = plain / at::tensor(c.freq_factors, at::kFloat);
  } else if (c.rope_type == "linear") {
    rope.inv_freq = plain / c.factor;
  } else if (c.rope_type == "llama3") {
    rope.inv_freq = llama3_scaled(plain, c);
  } else if (c.rope_type == "yarn") {
    rope.inv_freq = yarn_scaled(plain, c);
  } else if (c.rope_type == "longrope") {
    rope.inv_freq = plain / at::tensor(c.short_factor, at::kFloat);
    rope.long_inv_freq = (plain / at::tensor(c.long_factor, at::kFloat)).to(device);
  }
  rope.inv_freq = rope.inv_freq.to(device);
  return rope;
}

bool rope_changes(const RopeConfig& c, int64_t before, int64_t after) {
  const int64_t original = c.original_max_position_embeddings;
  return c.rope_type == "longrope" && (before <= original) != (after <= original);
}

RopeTable rope_table(const Rope& rope, const at::Tensor& positions, int64_t length) {
  const RopeConfig& c = rope.config;
  at::Tensor inv_freq = rope.inv_freq;
  if (c.rope_type == "dynamic" && length > c.max_position_embeddings)
    inv_freq = dynamic_inv_freq(c, length).to(inv_freq.device());
  if (c.rope_type == "longrope" && length > c.original_max_position_embeddings)
    inv_freq = rope.long_inv_freq;
  const at::Tensor angle = positions.to(at::kFloat).unsqueeze(-1) * inv_freq;  // [N, D/2]
  RopeTable table{angle.cos().unsqueeze(1), angle.sin().unsqueeze(1)};
  if (c.attention_factor != 1) {
    table.cos.mul_(c.attention_factor);
    table.sin.mul_(c.attention_factor);
  }
  return table;
}

at::Tensor apply_rope(const at::Tensor& x, const RopeTable& table) {
  if (!c10::GradMode::is_enabled()) return rotate_halves(x, table.cos, table.sin, 1);
  return Rotation::apply(x, table.cos, table.sin);
}

}  // namespace tptt
