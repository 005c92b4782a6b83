#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "models/formats/levels.h"
#include "models/windowed_attention.h"

namespace tptt {

/// Softmax attention on the CPU, tile by tile, so that no [L, T] matrix is made. q [S, H, L, D],
/// k and v [S, G, T, D] with H a multiple of G; the first `before`[s] keys of a sequence are those
/// of tokens before its queries (empty: none, T = L). A token sees itself and those before it, of
/// them what the window lets it. Sums in float32. has_cpu_kernel() says whether it takes q.
struct TiledAttention {
  at::Tensor o;    // [S, H, L, D], q's type
  at::Tensor lse;  // [S, H, L], float32: log of each row's sum of exponentials
};

TiledAttention tiled_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               const AttentionWindow& window, const ScoreConfig& score,
                               const std::vector<int64_t>& before, Level level = levels().front());

struct AttentionGradients {
  at::Tensor q, k, v;
};

/// The gradients by q, k and v of g, the gradient by o.
AttentionGradients tiled_attention_backward(const at::Tensor& g, const at::Tensor& q,
                                            const at::Tensor& k, const at::Tensor& v,
                                            const TiledAttention& forward,
                                            const AttentionWindow& window, const ScoreConfig& score,
                                            Level level = levels().front());

}  // namespace tptt
