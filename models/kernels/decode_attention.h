#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "models/windowed_attention.h"

namespace tptt {

/// Stores a token of each sequence, x [S, G, D], in its slot of [S, G, slots, D], on the CPU.
void store_tokens(const at::Tensor& to, const std::vector<int64_t>& slots, const at::Tensor& x);

/// Softmax attention of one query a sequence over its stored keys, on the CPU: q [S, H, D], k and v
/// [S, G, slots, D] with H a multiple of G, of which sequence s sees the first seen[s] [S]. Gives
/// [S, H, D] of q's type; sums in float32. has_cpu_kernel() says whether it takes q.
at::Tensor decode_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& seen, const ScoreConfig& score);

}  // namespace tptt
