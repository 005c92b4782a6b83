#include "models/liza/mag.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/sigmoid.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "models/kernels/dispatch.h"
#include "models/kernels/gated_mix.h"
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

// The same of a gate that the query has a say in and a size that is learned.
struct GatedMixNode : torch::autograd::Function<GatedMixNode> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& soft, const at::Tensor& raw,
                            const at::Tensor& q, const at::Tensor& gate,
                            const at::Tensor& gate_weight, const at::Tensor& size) {
    ctx->save_for_backward({soft, raw, q, gate, gate_weight, size});
    return gated_mix({soft, raw, q, gate, gate_weight, size});
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto x = ctx->get_saved_variables();
    const GatedMix g = gated_mix_backward(grads[0], {x[0], x[1], x[2], x[3], x[4], x[5]});
    return {g.soft, g.raw, g.q, g.gate, g.gate_weight, g.size};
  }
};

// What the memory's heads are multiplied by, [H]: their values were divided by sqrt(D).
at::Tensor learned_size(const LizaLayer& layer, int64_t head_dim) {
  return layer.scale.exp() * std::sqrt(double(head_dim));
}

// mu of each head and token, [N, H, 1], or of each head, [1, H, 1].
at::Tensor gate_of(const LizaLayer& layer, const at::Tensor& q, at::ScalarType type) {
  at::Tensor logits = layer.gate.to(type).view({1, -1, 1});
  if (layer.gate_weight.defined())
    logits = logits + (q.to(type) * layer.gate_weight.to(type)).sum(-1, true);
  return logits.sigmoid();
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

std::vector<std::pair<const char*, at::Tensor>> learned_tensors(const LizaLayer& layer) {
  const MemoryWeights& w = layer.weights;
  std::vector<std::pair<const char*, at::Tensor>> all = {{"gate", layer.gate},
                                                         {"gate_weight", layer.gate_weight},
                                                         {"branch_scale", layer.scale},
                                                         {"q_map", w.q_map},
                                                         {"k_map", w.k_map},
                                                         {"beta_weight", w.beta_weight},
                                                         {"beta_bias", w.beta_bias}};
  std::erase_if(all, [](const auto& named) { return !named.second.defined(); });
  return all;
}

bool mixes_projected(const LizaConfig& config) {
  return config.cross_gate || config.base_scale_attn;
}

at::Tensor mean_gate(const LizaLayer& layer, const at::Tensor& q) {
  return gate_of(layer, q, at::kFloat).detach().mean();
}

at::Tensor scale_branch(const LizaLayer& layer, const at::Tensor& soft, const at::Tensor& lin) {
  const LizaConfig& config = layer.config;
  if (config.branch_scale == "learned")
    return lin * learned_size(layer, lin.size(-1)).to(lin.scalar_type()).unsqueeze(-1);
  if (config.branch_scale != "match") return lin * mean_square(lin, {-2, -1}, kEps).rsqrt();
  const at::Tensor s = soft.to(lin.scalar_type());
  return lin * (mean_square(s, {-1}, kEps) / mean_square(lin, {-1}, kEps)).sqrt();
}

at::Tensor mag_mix(const LizaLayer& layer, const at::Tensor& q, const at::Tensor& soft,
                   const at::Tensor& raw, bool linear_only) {
  const bool has_kernels = has_cpu_kernel(soft) && raw.scalar_type() == at::kFloat;
  if (has_kernels && layer.config.branch_scale == "match") {
    const at::Tensor mu = mix_weights(layer, soft.size(1));
    return MatchedMix::apply(soft, raw, linear_only ? at::ones_like(mu) : mu);
  }
  if (has_kernels && layer.gate_weight.defined() && !linear_only)  // and so the size is learned
    return GatedMixNode::apply(soft, raw, q, layer.gate, layer.gate_weight,
                               learned_size(layer, raw.size(-1)));
  const at::Tensor lin = scale_branch(layer, soft, raw);
  if (linear_only) return lin.to(soft.scalar_type());
  const at::Tensor s = soft.to(lin.scalar_type());
  if (!layer.gate.defined()) return at::lerp(s, lin, layer.mag_weight).to(soft.scalar_type());
  const at::Tensor mu = gate_of(layer, q, s.scalar_type());
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
