#include "models/dropout.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "models/kernels/dispatch.h"
#include "models/kernels/simd.h"
#include "models/philox.h"

namespace tptt {
namespace {

constexpr int64_t kGroup = 128;  // numbers made at once
constexpr int64_t kGrain = 128;  // groups
constexpr uint32_t kFirst = 0x7FEB352D, kSecond = 0x846CA68B;

// What a mask follows from. Number i has 16 bits, half of the word i / 2, and is kept from the
// threshold on. A word is C. Wellons' lowbias32 of its place, with a key before and one within: a
// mask costs little next to the product it is for, so that it is made anew where it is needed.
struct Masks {
  uint32_t before, within, threshold;
};

// Four words of a module's own stream.
std::array<uint32_t, 4> random_words(const DropoutKey& key, uint64_t module, uint64_t block) {
  return philox4x32(key.seed ^ (key.step * 0x9E3779B97F4A7C15ull), (key.micro_batch << 32) | module,
                    block);
}

Masks masks_of(double p, const DropoutKey& key, uint64_t module) {
  const auto words = random_words(key, module, 0);
  return {words[0], words[1], uint32_t(std::lround(p * 65536.0))};
}

TPTT_INLINE uint32_t random_word(const Masks& masks, uint32_t place) {
  uint32_t x = place + masks.before;
  x = (x ^ (x >> 16)) * kFirst ^ masks.within;
  x = (x ^ (x >> 15)) * kSecond;
  return x ^ (x >> 16);
}

template <class T>
TPTT_INLINE void drop_some(const Masks& masks, const uint16_t* numbers, const T* x, T* out,
                           int64_t count, bool add) {
  if (add) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i)
      store(out, i, load(out, i) + (numbers[i] >= masks.threshold ? load(x, i) : 0.0F));
  } else {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i)
      store(out, i, numbers[i] >= masks.threshold ? load(x, i) : 0.0F);
  }
}

// out[i] = x[i] or 0, or with `add` out[i] += that, over the groups begin .. end.
template <class T>
TPTT_INLINE void drop(const Masks& masks, const T* x, T* out, int64_t count, int64_t begin,
                      int64_t end, bool add) {
  uint32_t words[kGroup / 2];
  uint16_t numbers[kGroup];
  for (int64_t group = begin; group < end; ++group) {
    for (int64_t i = 0; i < kGroup / 2; ++i)
      words[i] = random_word(masks, uint32_t(group * (kGroup / 2) + i));
    std::memcpy(numbers, words, sizeof words);  // the lower half first
    const T* xg = x + group * kGroup;
    T* og = out + group * kGroup;
    if ((group + 1) * kGroup <= count) {
      drop_some(masks, numbers, xg, og, kGroup, add);
    } else {
      drop_some(masks, numbers, xg, og, count - group * kGroup, add);
    }
  }
}

TPTT_SIMD void drop_groups(const Masks& masks, const float* x, float* out, int64_t count,
                           int64_t begin, int64_t end, bool add) {
  drop(masks, x, out, count, begin, end, add);
}

TPTT_SIMD void drop_groups(const Masks& masks, const c10::BFloat16* x, c10::BFloat16* out,
                           int64_t count, int64_t begin, int64_t end, bool add) {
  drop(masks, x, out, count, begin, end, add);
}

void drop_into(const at::Tensor& out, const at::Tensor& x, const Masks& masks, bool add) {
  const int64_t count = x.numel();
  with_type(x, [&](auto t) {
    using T = decltype(t);
    at::parallel_for(0, (count + kGroup - 1) / kGroup, kGrain, [&](int64_t begin, int64_t end) {
      drop_groups(masks, x.const_data_ptr<T>(), out.mutable_data_ptr<T>(), count, begin, end, add);
    });
  });
}

}  // namespace

at::Tensor dropout_mask(const at::Tensor& x, double p, const DropoutKey& key, uint64_t module) {
  constexpr int64_t kWord = 0xFFFFFFFF;
  const Masks masks = masks_of(p, key, module);
  const auto options = at::TensorOptions().dtype(at::kLong).device(x.device());
  const auto mixed = [](const at::Tensor& word, int64_t shift, uint32_t factor) {
    return word.bitwise_xor(word.bitwise_right_shift(shift))
        .mul(int64_t(factor))
        .bitwise_and(kWord);
  };
  at::Tensor word = at::arange((x.numel() + 1) / 2, options).add(int64_t(masks.before));
  word = mixed(word.bitwise_and(kWord), 16, kFirst).bitwise_xor(int64_t(masks.within));
  word = mixed(word, 15, kSecond);
  word = word.bitwise_xor(word.bitwise_right_shift(16));
  const at::Tensor halves =
      at::stack({word.bitwise_and(0xFFFF), word.bitwise_right_shift(16)}, 1).flatten();
  return halves.narrow(0, 0, x.numel()).ge(int64_t(masks.threshold)).to(at::kByte).view(x.sizes());
}

at::Tensor dropped(const at::Tensor& x, double p, const DropoutKey& key, uint64_t module) {
  if (!has_cpu_kernel(x)) return x * dropout_mask(x, p, key, module);
  const at::Tensor from = x.contiguous();
  at::Tensor out = at::empty_like(from);
  drop_into(out, from, masks_of(p, key, module), false);
  return out;
}

void add_dropped_(const at::Tensor& to, const at::Tensor& x, double p, const DropoutKey& key,
                  uint64_t module) {
  if (!has_cpu_kernel(x) || !to.is_contiguous()) {
    to.addcmul_(x, dropout_mask(x, p, key, module));
    return;
  }
  drop_into(to, x.contiguous(), masks_of(p, key, module), true);
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
