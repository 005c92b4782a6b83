#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "models/liza/liza_config.h"
#include "models/liza/memory_weights.h"
#include "models/segments.h"

namespace tptt {

/// What later tokens need of the past.
struct LizaState {
  at::Tensor memory;                  // [S, G, D, D]
  at::Tensor last_q, last_k, last_v;  // [S, heads, 3, D], raw projections of the last positions
};

/// The memory that the sequences of a forward continue: sequence s that of the state's
/// sequences[s], after position[s] tokens.
struct LizaPast {
  const LizaState& state;
  const std::vector<int64_t>& sequences;
  at::Tensor position;  // [S] int64
};

/// The linear branch (docs/liza.md): q [N, H, D], k, v [N, G, D], the raw projections before RoPE.
/// With a past, memory, gates and differences go on from it (implementation tptt: by one token a
/// sequence). `state` (null: not wanted) takes what later tokens need; it may be the past's own.
/// With neither, `state_norm` (null: not wanted) is set to the largest Frobenius norm of the
/// memories at the sequences' ends. Returns [N, H, D] in linear_precision, before scaling and
/// mixing.
at::Tensor liza_branch(const LizaConfig& config, const MemoryWeights& weights, const at::Tensor& q,
                       const at::Tensor& k, const at::Tensor& v, const SegmentLayout& layout,
                       const std::optional<LizaPast>& past, LizaState* state,
                       at::Tensor* state_norm = nullptr);

}  // namespace tptt
