#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tptt {

/// What one forward's random numbers depend on; with the module's number it fixes every mask, so
/// that resume, recomputation and world size cannot change them.
struct DropoutKey {
  uint64_t seed = 0;
  uint64_t step = 0;
  uint64_t micro_batch = 0;
};

/// Multiplier for inverted dropout, shape of x: 0 with probability p, else 1 / (1 - p).
at::Tensor dropout_scale(const at::Tensor& x, double p, const DropoutKey& key, uint64_t module);

}  // namespace tptt
