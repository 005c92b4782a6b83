#include "models/liza/mag.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/sigmoid.h>

namespace tptt {
namespace {

at::Tensor mean_square(const at::Tensor& x, at::IntArrayRef dims, double eps) {
  return x.square().mean(dims, true).add(eps);
}

}  // namespace

double LizaLayer::mean_weight() const {
  return gate.defined() ? gate.detach().sigmoid().mean().item<double>() : mag_weight;
}

bool mixes_projected(const LizaConfig& config) {
  return config.cross_gate || config.base_scale_attn;
}

at::Tensor scale_branch(const LizaConfig& config, const at::Tensor& soft, const at::Tensor& lin) {
  constexpr double kEps = 1e-6;
  if (config.branch_scale != "match") return lin * mean_square(lin, {-2, -1}, kEps).rsqrt();
  const at::Tensor s = soft.to(lin.scalar_type());
  return lin * (mean_square(s, {-1}, kEps) / mean_square(lin, {-1}, kEps)).sqrt();
}

at::Tensor mag_mix(const LizaLayer& layer, const at::Tensor& soft, const at::Tensor& lin,
                   bool linear_only) {
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
