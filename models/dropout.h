#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace tptt {

/// What one forward's random numbers depend on; with the module's number it fixes every mask, so
/// that resume, recomputation and world size cannot change them.
struct DropoutKey {
  uint64_t seed = 0;
  uint64_t step = 0;
  uint64_t micro_batch = 0;
};

/// None: no dropout (evaluation).
using Dropout = std::optional<DropoutKey>;

/// What dropout keeps, shape and device of x, uint8: 0 with probability p, else 1.
at::Tensor dropout_mask(const at::Tensor& x, double p, const DropoutKey& key, uint64_t module);

/// x with 0 where dropout takes it, not scaled by 1 / (1 - p). On the CPU no mask is made: what is
/// computed again in a backward costs less than it would to keep.
at::Tensor dropped(const at::Tensor& x, double p, const DropoutKey& key, uint64_t module);

/// to += dropped(x).
void add_dropped_(const at::Tensor& to, const at::Tensor& x, double p, const DropoutKey& key,
                  uint64_t module);

/// Numbers from -1 to 1, float32, shape and device as given (NEFTune's noise).
at::Tensor uniform_noise(at::IntArrayRef shape, const DropoutKey& key, uint64_t module,
                         at::Device device);

}  // namespace tptt
