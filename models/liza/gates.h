#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "models/liza/operator.h"

namespace tptt {

/// What decoding keeps of the past.
struct LizaState {
  at::Tensor memory;          // [S, G, D, D]
  at::Tensor last_k, last_v;  // [S, G, 2, D], the raw projections of the last two positions
};

/// Names of the operator modes.
std::vector<std::string> operator_modes();

/// Raw projections, before q/k norm and RoPE, to operator inputs (docs/liza.md, section 1): gates
/// from pooled keys and values, silu and l2norm of q and k, v scaled by D^-0.5, all in float32.
/// q [S, H, L, D], k, v [S, G, L, D]. `lengths` [S]: positions from there on are padding and
/// neither write nor decay; undefined: none. `previous` continues the pool windows when decoding.
DeltaRuleInput liza_inputs(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const std::string& operator_mode, const at::Tensor& lengths,
                           const LizaState* previous);

}  // namespace tptt
