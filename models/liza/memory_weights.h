#pragma once

#include <ATen/core/Tensor.h>

namespace tptt {

/// What a memory learns of its own, float32; undefined in modes that learn nothing.
struct MemoryWeights {
  at::Tensor q_map;        // [H, D, D]: q of each head before it reads
  at::Tensor k_map;        // [G, D, D]: k of each head before it writes
  at::Tensor beta_weight;  // [G, D]
  at::Tensor beta_bias;    // [G]
};

}  // namespace tptt
