#pragma once

#include <ATen/core/Tensor.h>

#include "models/liza/liza_config.h"

namespace tptt {

/// The memory of one attention layer.
struct LizaLayer {
  LizaConfig config;
  double mag_weight = 0;  // in force, for every mode but learned
  at::Tensor gate;        // [H] float32 logits of mu, learned mode only

  /// True when mu is exactly 0, so that the layer is the base model's bit for bit.
  bool is_closed() const { return !gate.defined() && mag_weight == 0; }
  /// Mean mu over heads.
  double mean_weight() const;
};

/// cross_gate and base_scale_attn look at the projected branches; all else is mixed before the
/// output projection, which saves one.
bool mixes_projected(const LizaConfig& config);

/// The linear branch in the size that branch_scale gives it; both [N, H, D]. Keeps lin's type.
at::Tensor scale_branch(const LizaConfig& config, const at::Tensor& soft, const at::Tensor& lin);

/// Memory as Gate: (1 - mu) * soft + mu * scale_branch(raw), both [N, H, D]; `linear_only` is
/// mu = 1.
at::Tensor mag_mix(const LizaLayer& layer, const at::Tensor& soft, const at::Tensor& raw,
                   bool linear_only);

/// The same of the projected branches [N, E], with cross_gate and base_scale_attn.
at::Tensor mag_mix_projected(const LizaLayer& layer, const at::Tensor& soft, const at::Tensor& lin,
                             bool linear_only);

}  // namespace tptt
