#pragma once

#include <algorithm>
#include <cstring>

#include "models/dropout.h"
#include "models/kernels/simd.h"

namespace tptt {

constexpr uint32_t kMaskFactors[] = {0x7FEB352D, 0x846CA68B};

// C. Wellons' lowbias32 of a place, with a key before and one within.
TPTT_INLINE uint32_t random_word(const DropoutMask& mask, uint32_t place) {
  uint32_t x = place + mask.before;
  x = (x ^ (x >> 16)) * kMaskFactors[0] ^ mask.within;
  x = (x ^ (x >> 15)) * kMaskFactors[1];
  return x ^ (x >> 16);
}

/// The numbers begin .. begin + count of a tensor, in float32 at x: 0 where the mask drops them.
/// Number i has 16 bits, half of the word i / 2, the lower half first, and is kept from the
/// threshold on.
TPTT_INLINE void drop(const DropoutMask& mask, int64_t begin, float* x, int64_t count) {
  constexpr int64_t kGroup = 128;
  uint32_t words[kGroup / 2 + 1];
  uint16_t numbers[kGroup + 2];
  if (mask.threshold == 0) return;
  for (int64_t first = 0; first < count; first += kGroup) {
    const int64_t place = begin + first, odd = place % 2;
    for (int64_t i = 0; i < kGroup / 2 + odd; ++i)
      words[i] = random_word(mask, uint32_t(place / 2 + i));
    std::memcpy(numbers, words, sizeof words);
    const int64_t size = std::min(kGroup, count - first);
#pragma omp simd
    for (int64_t i = 0; i < size; ++i)
      x[first + i] = numbers[odd + i] >= mask.threshold ? x[first + i] : 0.0F;
  }
}

}  // namespace tptt
