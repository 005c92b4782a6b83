#pragma once

#include <ATen/core/Tensor.h>

namespace tptt {

// S sequences, H query heads, G key/value heads, L tokens, D head size, n order. A group's query
// heads share one state: keys, values and gates exist G times, only the reads are per query head.

/// Inputs of the delta rule (docs/liza.md), float32 or float64. Virtual token j of token t is row
/// t * n + j.
struct DeltaRuleInput {
  at::Tensor q;            // [S, H, L, D]
  at::Tensor k;            // [S, G, L * n, D], norm at most 1
  at::Tensor v;            // [S, G, L * n, D]
  at::Tensor beta;         // [S, G, L * n, D], write gate
  at::Tensor log_alpha;    // [S, G, L * n], 0 but for each token's first; undefined: no decay
  bool activated = false;  // activate_state after every 64th token of a sequence
  at::Tensor lengths;      // [S] int64, tokens of each sequence; undefined: L
  at::Tensor position;     // [S] int64, tokens before the first (recurrence only); undefined: 0
};

struct DeltaRuleOutput {
  at::Tensor o;      // [S, H, L, D]
  at::Tensor state;  // [S, G, D, D], key dimension first; undefined when not asked for
};

/// Gradients of what DeltaRuleInput holds; undefined where the input was.
struct DeltaRuleGrad {
  at::Tensor q, k, v, beta, log_alpha, state;
};

/// Tokens between two state activations.
constexpr int64_t kActivationPeriod = 64;

/// (S/2) * gelu_tanh(2 S / (||S row|| + 1e-6)), rows along the last dimension.
at::Tensor activate_state(const at::Tensor& state);

/// Chunk-parallel delta rule with autograd: O(L * (C + D) * D) time, O(L * D) memory. `state`
/// undefined: zeros. The chunk length changes speed only.
DeltaRuleOutput chunk_delta_rule(const DeltaRuleInput& in, const at::Tensor& state,
                                 int64_t chunk_size, bool need_final_state);

/// The gradients of chunk_delta_rule without a graph, everything else recomputed from its inputs.
/// `grad_state` undefined: the final state was not used.
DeltaRuleGrad chunk_delta_rule_backward(const DeltaRuleInput& in, const at::Tensor& state,
                                        int64_t chunk_size, const at::Tensor& grad_o,
                                        const at::Tensor& grad_state);

/// The recurrence token by token, for decoding and as the reference: O(n * D^2) a token and head.
DeltaRuleOutput recurrent_delta_rule(const DeltaRuleInput& in, const at::Tensor& state);

}  // namespace tptt
