#pragma once

#include <ATen/core/Tensor.h>

#include "models/liza/gates.h"
#include "models/liza/liza_config.h"
#include "models/segments.h"

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

/// The linear branch (docs/liza.md): q [N, H, D], k, v [N, G, D], the raw projections before RoPE.
/// With a state it is filled at the end of the prompt, or continued when `decoding`.
/// Returns [N, H, D] in linear_precision, before scaling and mixing.
at::Tensor liza_branch(const LizaLayer& layer, const at::Tensor& q, const at::Tensor& k,
                       const at::Tensor& v, const SegmentLayout& layout, LizaState* state,
                       bool decoding);

/// Memory as Gate: (1 - mu) * soft + mu * lin with lin scaled by branch_scale; both [N, H, D].
/// `linear_only` is mu = 1.
at::Tensor mag_mix(const LizaLayer& layer, const at::Tensor& soft, const at::Tensor& lin,
                   bool linear_only);

}  // namespace tptt
