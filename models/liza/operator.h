#pragma once

#include <ATen/core/Tensor.h>

namespace tptt {

// S sequences, H query heads, G key/value heads, L tokens, D head size. A group's query heads share
// one state: keys, values and gates exist G times, only the reads are per query head.

/// Inputs of the delta rule (docs/liza.md), float32 or float64.
struct DeltaRuleInput {
  at::Tensor q;          // [S, H, L, D]
  at::Tensor k;          // [S, G, L, D], l2-normalised
  at::Tensor v;          // [S, G, L, D]
  at::Tensor beta;       // [S, G, L, D], write gate
  at::Tensor log_alpha;  // [S, G, L], or undefined: no decay
};

struct DeltaRuleOutput {
  at::Tensor o;      // [S, H, L, D]
  at::Tensor state;  // [S, G, D, D], key dimension first; undefined when not asked for
};

/// Chunk-parallel delta rule with autograd: O(L * (C + D) * D) time, O(L * D) memory. `state`
/// undefined: zeros. The chunk length changes speed only.
DeltaRuleOutput chunk_delta_rule(const DeltaRuleInput& in, const at::Tensor& state,
                                 int64_t chunk_size, bool need_final_state);

/// The recurrence token by token, for decoding: O(D^2) a token and head.
DeltaRuleOutput recurrent_delta_rule(const DeltaRuleInput& in, const at::Tensor& state);

}  // namespace tptt
