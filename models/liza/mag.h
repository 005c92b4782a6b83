#pragma once

#include <ATen/core/Tensor.h>

#include "models/liza/liza_config.h"
#include "models/liza/memory_weights.h"

namespace tptt {

/// The memory of one attention layer.
struct LizaLayer {
  LizaConfig config;
  double mag_weight = 0;   // in force, for every mode without a learned gate
  at::Tensor gate;         // [H] float32 logits of mu, learned and token modes only
  at::Tensor gate_weight;  // [H, D] float32, what q adds to the logits; token mode only
  at::Tensor scale;        // [H] float32, log of the memory's size; branch_scale learned only
  MemoryWeights weights;

  /// True when mu is exactly 0, so that the layer is the base model's bit for bit.
  bool is_closed() const { return !gate.defined() && mag_weight == 0; }
  /// Mean mu over heads.
  double mean_weight() const;
};

/// What a layer's memory learns, by its name in adapter files below ".liza.".
std::vector<std::pair<const char*, at::Tensor>> learned_tensors(const LizaLayer& layer);

/// cross_gate and base_scale_attn look at the projected branches; all else is mixed before the
/// output projection, which saves one.
bool mixes_projected(const LizaConfig& config);

/// Mean mu of mode token over heads and queries [N, H, D].
at::Tensor mean_gate(const LizaLayer& layer, const at::Tensor& q);

/// The linear branch in the size that branch_scale gives it; both [N, H, D]. Keeps lin's type.
at::Tensor scale_branch(const LizaLayer& layer, const at::Tensor& soft, const at::Tensor& lin);

/// Memory as Gate: (1 - mu) * soft + mu * scale_branch(raw), both [N, H, D]; `linear_only` is
/// mu = 1. q [N, H, D] are the raw queries, of which mode token makes mu.
at::Tensor mag_mix(const LizaLayer& layer, const at::Tensor& q, const at::Tensor& soft,
                   const at::Tensor& raw, bool linear_only);

/// The same of the projected branches [N, E], with cross_gate and base_scale_attn.
at::Tensor mag_mix_projected(const LizaLayer& layer, const at::Tensor& soft, const at::Tensor& lin,
                             bool linear_only);

}  // namespace tptt
