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

/// What the mask of a module follows from: a mask costs little next to the product it is for, so
/// that on the CPU it is made anew where it is needed. As it is by default, nothing is dropped.
struct DropoutMask {
  uint32_t before = 0, within = 0;  // random
  uint32_t threshold = 0;           // of 65,536: the probability
};

DropoutMask mask_of(double p, const DropoutKey& key, uint64_t module);

/// What dropout keeps of x, shape and device of x, uint8: 0 with the mask's probability, else 1.
at::Tensor kept_by(const DropoutMask& mask, const at::Tensor& x);

/// Numbers from -1 to 1, float32, shape and device as given (NEFTune's noise).
at::Tensor uniform_noise(at::IntArrayRef shape, const DropoutKey& key, uint64_t module,
                         at::Device device);

}  // namespace tptt
