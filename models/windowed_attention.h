#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace tptt {

/// A sliding window of softmax attention: a query sees the last `length` positions, itself
/// included, and the first `sinks` of its sequence. Length 0: everything before it.
struct AttentionWindow {
  int64_t length = 0;
  int64_t sinks = 0;
};

/// How scores become weights: softmax(cap(scaling * q k^T)), cap(s) = c tanh(s / c) when c > 0.
struct ScoreConfig {
  double scaling = 1;
  double softcapping = 0;
};

/// Attention of q [S, H, L, D] to k, v [S, G, T, D] where `seen` [.., L, T] is true.
at::Tensor masked_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& seen, const ScoreConfig& score);

/// Causal attention of q [S, H, L, D] to k, v [S, G, T, D], every row one sequence; [S, H, L, D].
/// The first `before`[s] of a sequence's keys and values are those of tokens before its queries
/// (inference only); empty: none, and T = L. With a window that is shorter than T, or a soft cap,
/// it goes block by block: with a window in linear time and memory, only q, k, v saved for the
/// backward.
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const AttentionWindow& window, const ScoreConfig& score,
                            const std::vector<int64_t>& before = {});

}  // namespace tptt
