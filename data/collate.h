#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "data/dataset.h"

namespace tptt {

/// Sequences of one forward, one after another without padding.
struct Batch {
  at::Tensor ids;                // [N] int64
  std::vector<int64_t> lengths;  // tokens of each sequence
  at::Tensor target_rows;        // [M] int64: positions whose next token is a target
  at::Tensor targets;            // [M] int64: those next tokens
};

/// Joins the examples with these indices. Ids outside the vocabulary are an Error.
Batch collate(const std::vector<Example>& examples, const std::vector<int64_t>& indices,
              int64_t vocab_size, const at::Device& device);

}  // namespace tptt
