#include "models/dropout.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>

#include <cmath>

#include "models/kernels/drop.h"
#include "models/philox.h"

namespace tptt {
namespace {

// Four words of a module's own stream.
std::array<uint32_t, 4> random_words(const DropoutKey& key, uint64_t module, uint64_t block) {
  return philox4x32(key.seed ^ (key.step * 0x9E3779B97F4A7C15ull), (key.micro_batch << 32) | module,
                    block);
}

}  // namespace

DropoutMask mask_of(double p, const DropoutKey& key, uint64_t module) {
  const auto words = random_words(key, module, 0);
  return {words[0], words[1], uint32_t(std::lround(p * 65536.0))};
}

at::Tensor kept_by(const DropoutMask& mask, const at::Tensor& x) {
  constexpr int64_t kWord = 0xFFFFFFFF;
  const auto options = at::TensorOptions().dtype(at::kLong).device(x.device());
  const auto mixed = [](const at::Tensor& word, int64_t shift, uint32_t factor) {
    return word.bitwise_xor(word.bitwise_right_shift(shift))
        .mul(int64_t(factor))
        .bitwise_and(kWord);
  };
  at::Tensor word = at::arange((x.numel() + 1) / 2, options).add(int64_t(mask.before));
  word = mixed(word.bitwise_and(kWord), 16, kMaskFactors[0]).bitwise_xor(int64_t(mask.within));
  word = mixed(word, 15, kMaskFactors[1]);
  word = word.bitwise_xor(word.bitwise_right_shift(16));
  const at::Tensor halves =
      at::stack({word.bitwise_and(0xFFFF), word.bitwise_right_shift(16)}, 1).flatten();
  return halves.narrow(0, 0, x.numel()).ge(int64_t(mask.threshold)).to(at::kByte).view(x.sizes());
}

at::Tensor uniform_noise(at::IntArrayRef shape, const DropoutKey& key, uint64_t module,
                         at::Device device) {
  at::Tensor noise = at::empty(shape, at::kFloat);
  float* out = noise.mutable_data_ptr<float>();
  const int64_t count = noise.numel();
  at::parallel_for(0, (count + 3) / 4, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const auto words = random_words(key, module, uint64_t(block));
      for (int64_t i = block * 4, j = 0; i < count && j < 4; ++i, ++j)
        out[i] = float((double(words[size_t(j)]) + 0.5) / 2147483648.0 - 1.0);
    }
  });
  return noise.to(device);
}

}  // namespace tptt
