#include "models/dropout.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <cmath>

#include "models/philox.h"

namespace tptt {

at::Tensor dropout_mask(const at::Tensor& x, double p, const DropoutKey& key, uint64_t module) {
  // Made on the CPU for every device: a mask must not depend on where it is used.
  at::Tensor mask = at::empty(x.sizes(), at::TensorOptions().dtype(at::kByte));
  uint8_t* out = mask.mutable_data_ptr<uint8_t>();
  const int64_t count = mask.numel();
  const uint32_t threshold = uint32_t(std::lround(p * 65536.0));
  const uint64_t high = (key.micro_batch << 32) | module;
  const uint64_t seed = key.seed ^ (key.step * 0x9E3779B97F4A7C15ull);
  at::parallel_for(0, (count + 7) / 8, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const auto words = philox4x32(seed, high, uint64_t(block));
      for (int64_t i = block * 8, j = 0; i < count && j < 8; ++i, ++j)
        out[i] = ((words[j / 2] >> (16 * (j % 2))) & 0xFFFF) >= threshold;
    }
  });
  return mask.to(x.device());
}

}  // namespace tptt
