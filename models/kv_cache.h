#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "models/liza/liza_attention.h"
#include "models/segments.h"
#include "models/windowed_attention.h"

namespace tptt {

/// What one layer keeps of the past.
struct LayerCache {
  at::Tensor k, v;  // [S, G, slots, D], k after RoPE; a ring behind the sinks with a window
  AttentionWindow window;
  LizaState liza;  // empty without LiZA
};

struct DecodeCache {
  std::vector<LayerCache> layers;
  std::vector<int64_t> lengths;  // tokens each sequence has stored
};

/// Sequences that begin where those of a cache end: sequence s continues the cache's sequences[s].
struct Past {
  const DecodeCache* cache = nullptr;
  std::vector<int64_t> sequences;
};

/// Leaves only these of the cache's sequences, in this order.
void keep_sequences(DecodeCache& cache, const std::vector<int64_t>& sequences);

/// Where the token after `length` others goes: the ring's oldest slot is overwritten.
int64_t next_slot(int64_t length, const AttentionWindow& window);

/// The keys or values that new tokens see: x [S, G, L, D] of one group behind those that the cache
/// `slots` keeps of their past; filled up with zeros on the right.
struct WithPast {
  at::Tensor x;                 // [S, G, T, D]
  std::vector<int64_t> before;  // [S] rows of the past
};

WithPast with_past(const at::Tensor& slots, const at::Tensor& x, const AttentionWindow& window,
                   const Past& past, const SegmentGroup& group);

/// Copies what later tokens will see of a sequence of `length` tokens, x [G, rows, D], to its slots
/// [G, slots, D]. Where x has fewer rows than the sequence, those behind the sinks are missing.
void store_sequence(const at::Tensor& slots, const at::Tensor& x, int64_t rows, int64_t length,
                    const AttentionWindow& window);

}  // namespace tptt
