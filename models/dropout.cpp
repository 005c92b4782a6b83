#include "models/dropout.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>

#include "models/kernels/dispatch.h"
#include "models/kernels/simd.h"
#include "models/philox.h"

namespace tptt {
namespace {

// 8 numbers of 16 bits a Philox block, kept from the threshold on.
constexpr int64_t kPerBlock = 8, kLanes = 16, kGroup = kPerBlock * kLanes;
constexpr int64_t kGrain = 256;  // groups

struct Masks {
  uint64_t seed, high;
  uint32_t threshold;
};

Masks masks_of(double p, const DropoutKey& key, uint64_t module) {
  return {key.seed ^ (key.step * 0x9E3779B97F4A7C15ull), (key.micro_batch << 32) | module,
          uint32_t(std::lround(p * 65536.0))};
}

// The random numbers of a group: philox4x32 of kLanes blocks at once.
TPTT_INLINE void random_group(const Masks& masks, int64_t group, uint16_t* out) {
  uint32_t c0[kLanes], c1[kLanes], c2[kLanes], c3[kLanes];
  for (int64_t l = 0; l < kLanes; ++l) {
    const uint64_t block = uint64_t(group * kLanes + l);
    c0[l] = uint32_t(block), c1[l] = uint32_t(block >> 32);
    c2[l] = uint32_t(masks.high), c3[l] = uint32_t(masks.high >> 32);
  }
  uint32_t k0 = uint32_t(masks.seed), k1 = uint32_t(masks.seed >> 32);
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9, k1 += 0xBB67AE85) {
    for (int64_t l = 0; l < kLanes; ++l) {
      const uint64_t p0 = uint64_t(0xD2511F53) * c0[l], p1 = uint64_t(0xCD9E8D57) * c2[l];
      c0[l] = uint32_t(p1 >> 32) ^ c1[l] ^ k0;
      c1[l] = uint32_t(p1);
      c2[l] = uint32_t(p0 >> 32) ^ c3[l] ^ k1;
      c3[l] = uint32_t(p0);
    }
  }
  for (int64_t l = 0; l < kLanes; ++l) {
    const uint32_t words[4] = {c0[l], c1[l], c2[l], c3[l]};
    for (int64_t j = 0; j < kPerBlock; ++j)
      out[l * kPerBlock + j] = uint16_t(words[j / 2] >> (16 * (j % 2)));
  }
}

// out[i] = x[i] or 0, or with `add` out[i] += that, over the groups begin .. end.
template <class T>
TPTT_INLINE void drop(const Masks& masks, const T* x, T* out, int64_t count, int64_t begin,
                      int64_t end, bool add) {
  uint16_t random[kGroup];
  for (int64_t group = begin; group < end; ++group) {
    random_group(masks, group, random);
    const T* xg = x + group * kGroup;
    T* og = out + group * kGroup;
    const int64_t size = std::min(kGroup, count - group * kGroup);
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) {
      const float kept = random[i] >= masks.threshold ? load(xg, i) : 0.0F;
      store(og, i, add ? load(og, i) + kept : kept);
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
  // Made on the CPU for every device: a mask must not depend on where it is used.
  at::Tensor mask = at::empty(x.sizes(), at::TensorOptions().dtype(at::kByte));
  uint8_t* out = mask.mutable_data_ptr<uint8_t>();
  const int64_t count = mask.numel();
  const Masks masks = masks_of(p, key, module);
  at::parallel_for(0, (count + kPerBlock - 1) / kPerBlock, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const auto words = philox4x32(masks.seed, masks.high, uint64_t(block));
      for (int64_t i = block * kPerBlock, j = 0; i < count && j < kPerBlock; ++i, ++j)
        out[i] = ((words[size_t(j / 2)] >> (16 * (j % 2))) & 0xFFFF) >= masks.threshold;
    }
  });
  return mask.to(x.device());
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
  const Masks masks = masks_of(0, key, module);
  at::parallel_for(0, (count + 3) / 4, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const auto words = philox4x32(masks.seed, masks.high, uint64_t(block));
      for (int64_t i = block * 4, j = 0; i < count && j < 4; ++i, ++j)
        out[i] = float((double(words[size_t(j)]) + 0.5) / 2147483648.0 - 1.0);
    }
  });
  return noise.to(device);
}

}  // namespace tptt
