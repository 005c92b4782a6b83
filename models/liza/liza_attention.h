#pragma once

#include <ATen/core/Tensor.h>

#include "models/liza/liza_config.h"
#include "models/segments.h"

namespace tptt {

/// What decoding keeps of the past.
struct LizaState {
  at::Tensor memory;                  // [S, G, D, D]
  at::Tensor last_q, last_k, last_v;  // [S, heads, 3, D], raw projections of the last positions
};

/// The linear branch (docs/liza.md): q [N, H, D], k, v [N, G, D], the raw projections before RoPE.
/// With a state it is filled at the end of the prompt, or, when `position` [S] (tokens so far) is
/// defined, continued by one token a sequence. Without a state, `state_norm` (null: not wanted) is
/// set to the largest Frobenius norm of the memories at the sequences' ends. Returns [N, H, D] in
/// linear_precision, before scaling and mixing.
at::Tensor liza_branch(const LizaConfig& config, const at::Tensor& q, const at::Tensor& k,
                       const at::Tensor& v, const SegmentLayout& layout, LizaState* state,
                       const at::Tensor& position, at::Tensor* state_norm = nullptr);

}  // namespace tptt
