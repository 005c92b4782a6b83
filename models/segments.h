#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace tptt {

// Shape letters in models/: N tokens of one forward (all sequences, one after another), S
// sequences, L padded length, E hidden size, H query heads, G key/value heads, D head size, V
// vocabulary.

/// Sequences of like length, padded on the right to one [S, L] block for attention.
struct SegmentGroup {
  std::vector<int64_t> sequences;  // which sequences, S of them
  int64_t length = 0;              // L
  at::Tensor gather;   // [S * L] flat token of each padded position (padding: a real one)
  at::Tensor lengths;  // [S] int64, undefined when every row is full
};

/// How the flat token axis of one forward divides into sequences (packed documents, prompts).
struct SegmentLayout {
  std::vector<int64_t> lengths;  // tokens of each sequence
  std::vector<SegmentGroup> groups;
  at::Tensor scatter;    // [N] row of each token among the padded rows of all groups
  bool uniform = false;  // one full group in order: padding and unpadding are views
  int64_t num_tokens = 0;
};

/// Groups sequences so that padding stays below a quarter of the tokens, or, without `padding`, by
/// equal length. Lengths are positive.
SegmentLayout make_layout(const std::vector<int64_t>& lengths, const at::Device& device,
                          bool padding = true);

/// [N, ...] to [S, L, ...] for one group.
at::Tensor to_padded(const at::Tensor& x, const SegmentLayout& layout, const SegmentGroup& group);

/// One [S, L, ...] a group back to [N, ...].
at::Tensor from_padded(const std::vector<at::Tensor>& blocks, const SegmentLayout& layout);

}  // namespace tptt
