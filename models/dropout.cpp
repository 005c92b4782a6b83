#include "models/dropout.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <cmath>

#include "models/philox.h"

namespace tptt {

namespace {

struct Counter {
  uint64_t seed, high;
};

Counter counter(const DropoutKey& key, uint64_t module) {
  return {key.seed ^ (key.step * 0x9E3779B97F4A7C15ull), (key.micro_batch << 32) | module};
}

}  // namespace

at::Tensor dropout_mask(const at::Tensor& x, double p, const DropoutKey& key, uint64_t module) {
  // Made on the CPU for every device: a mask must not depend on where it is used.
  at::Tensor mask = at::empty(x.sizes(), at::TensorOptions().dtype(at::kByte));
  uint8_t* out = mask.mutable_data_ptr<uint8_t>();
  const int64_t count = mask.numel();
  const uint32_t threshold = uint32_t(std::lround(p * 65536.0));
  const auto [seed, high] = counter(key, module);
  at::parallel_for(0, (count + 7) / 8, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const auto words = philox4x32(seed, high, uint64_t(block));
      for (int64_t i = block * 8, j = 0; i < count && j < 8; ++i, ++j)
        out[i] = ((words[j / 2] >> (16 * (j % 2))) & 0xFFFF) >= threshold;
    }
  });
  return mask.to(x.device());
}

at::Tensor uniform_noise(at::IntArrayRef shape, const DropoutKey& key, uint64_t module,
                         at::Device device) {
  at::Tensor noise = at::empty(shape, at::kFloat);
  float* out = noise.mutable_data_ptr<float>();
  const int64_t count = noise.numel();
  const auto [seed, high] = counter(key, module);
  at::parallel_for(0, (count + 3) / 4, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const auto words = philox4x32(seed, high, uint64_t(block));
      for (int64_t i = block * 4, j = 0; i < count && j < 4; ++i, ++j)
        out[i] = float((double(words[size_t(j)]) + 0.5) / 2147483648.0 - 1.0);
    }
  });
  return noise.to(device);
}

}  // namespace tptt
