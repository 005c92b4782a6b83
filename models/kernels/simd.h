#pragma once

#include <c10/util/BFloat16.h>

#include <bit>
#include <cstdint>

#include "models/formats/clones.h"

namespace tptt {

TPTT_INLINE float load(const float* p, int64_t i) {
  return p[i];
}

TPTT_INLINE float load(const c10::BFloat16* p, int64_t i) {
  return std::bit_cast<float>(uint32_t(p[i].x) << 16);
}

TPTT_INLINE void store(float* p, int64_t i, float value) {
  p[i] = value;
}

// Rounded to nearest, ties to even; NaN stays NaN.
TPTT_INLINE uint16_t bfloat16_bits(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  return uint16_t((bits & 0x7FFFFFFF) > 0x7F800000 ? 0x7FC0 : rounded);
}

TPTT_INLINE void store(c10::BFloat16* p, int64_t i, float value) {
  p[i].x = bfloat16_bits(value);
}

// 1.5 * 2^23: what is added to it loses its fraction, and the whole number is its lowest bits.
constexpr float kExpRounds = 12582912.0F;
constexpr float kExpTerms[] = {1.9875691500e-4F, 1.3981999507e-3F, 8.3334519073e-3F,
                               4.1665795894e-2F, 1.6666665459e-1F, 5.0000001201e-1F};

/// e^x to 2 units in the last place between -87 and 88, beyond as at the ends: Cody and Waite's
/// reduction and a polynomial (Cephes' coefficients), in operations that vectorise.
TPTT_INLINE float exp_simd(float x) {
  x = x < -87.3F ? -87.3F : x > 88.3F ? 88.3F : x;
  const float t = x * 1.44269504F + kExpRounds, n = t - kExpRounds;
  const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  float y = kExpTerms[0];
  for (int i = 1; i < 6; ++i) y = y * r + kExpTerms[i];
  y = y * r * r + r + 1.0F;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(y) + (std::bit_cast<uint32_t>(t) << 23));
}

template <class T>
TPTT_INLINE float dot_simd(const T* a, const T* b, int64_t size) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < size; ++i) sum += load(a, i) * load(b, i);
  return sum;
}

TPTT_INLINE float sigmoid_simd(float x) {
  return 1 / (1 + exp_simd(-x));
}

}  // namespace tptt
