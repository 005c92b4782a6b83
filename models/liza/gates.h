#pragma once

#include <ATen/core/Tensor.h>

#include "models/liza/memory_weights.h"
#include "models/liza/operator.h"
#include "models/liza/operator_mode.h"
#include "models/liza/operator_tptt.h"

namespace tptt {

/// Raw projections, before q/k norm and RoPE, to operator inputs (docs/liza.md): gates from pooled
/// keys and values, silu and l2norm of q and k, v scaled by D^-0.5, virtual tokens; computed in
/// `precision`. q [S, H, L, D], k, v [S, G, L, D]. `lengths` [S]: positions from there on are
/// padding and neither write nor decay; undefined: none.
DeltaRuleInput exact_inputs(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const OperatorMode& mode, const MemoryWeights& weights,
                            const at::Tensor& lengths, at::ScalarType precision);

/// The same for the package's operator, which knows no padding.
TpttInput tptt_inputs(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                      const OperatorMode& mode, at::ScalarType precision);

}  // namespace tptt
