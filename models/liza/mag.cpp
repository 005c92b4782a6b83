#include "models/liza/mag.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/sigmoid.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/kernels/dispatch.h"
#include "models/kernels/matched_mix.h"

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr double kEps = 1e-6;

at::Tensor mean_square(const at::Tensor& x, at::IntArrayRef dims, double eps) {
  return x.square().mean(dims, true).add(eps);
}

// The common case as one node that keeps the branches alone.
struct MatchedMix : torch::autograd::Function<MatchedMix> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& soft, const at::Tensor& raw,
                            const at::Tensor& mu) {
    ctx->save_for_backward({soft, raw, mu});
    return matched_mix(soft, raw, mu, kEps);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto g = matched_mix_backward(grads[0], saved[0], saved[1], saved[2], kEps);
    return {g.soft, g.lin, g.mu};
  }
};

bool mixes_at_once(const LizaConfig& config, const at::Tensor& soft, const at::Tensor& raw) {
  return config.branch_scale == "match" && has_cpu_kernel(soft) && raw.scalar_type() == at::kFloat;
}

// mu of each head, [H] float32.
at::Tensor mix_weights(const LizaLayer& layer, int64_t heads) {
  return layer.gate.defined() ? layer.gate.sigmoid()
                              : at::full({heads}, layer.mag_weight, at::TensorOptions(at::kFloat));
}

}  // namespace

double LizaLayer::mean_weight() const {
  return gate.defined() ? gate.detach().sigmoid().mean().item<double>() : mag_weight;
}

bool mixes_projected(const LizaConfig& config) {
  return config.cross_gate || config.base_scale_attn;
}

at::Tensor scale_branch(const LizaConfig& config, const at::Tensor& soft, const at::Tensor& lin) {
  if (config.branch_scale != "match") return lin * mean_square(lin, {-2, -1}, kEps).rsqrt();
  const at::Tensor s = soft.to(lin.scalar_type());
  return lin * (mean_square(s, {-1}, kEps) / mean_square(lin, {-1}, kEps)).sqrt();
}

at::Tensor mag_mix(const LizaLayer& layer, const at::Tensor& soft, const at::Tensor& raw,
                   bool linear_only) {
  if (mixes_at_once(layer.config, soft, raw)) {
    const at::Tensor mu = mix_weights(layer, soft.size(1));
    return MatchedMix::apply(soft, raw, linear_only ? at::ones_like(mu) : mu);
  }
  const at::Tensor lin = scale_branch(layer.config, soft, raw);
  if (linear_only) return lin.to(soft.scalar_type());
  const at::Tensor s = soft.to(lin.scalar_type());
  if (!layer.gate.defined()) return at::lerp(s, lin, layer.mag_weight).to(soft.scalar_type());
  const at::Tensor mu = layer.gate.sigmoid().to(s.scalar_type()).view({1, -1, 1});
  return at::lerp(s, lin, mu.expand_as(s)).to(soft.scalar_type());
}

at::Tensor mag_mix_projected(const LizaLayer& layer, const at::Tensor& soft, const at::Tensor& lin,
                             bool linear_only) {
  const double mu = linear_only ? 1 : layer.mag_weight;
  at::Tensor scaled = lin;
  if (layer.config.base_scale_attn) scaled = lin * mean_square(soft, {-1}, 1e-5).sqrt();
  const at::Tensor weighted_soft = soft * (1 - mu), weighted_lin = scaled * mu;
  const at::Tensor mixed = weighted_soft + weighted_lin;
  return layer.config.cross_gate ? mixed + weighted_soft * weighted_lin : mixed;
}

}  // namespace tptt
