#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "models/kernels/simd.h"

// Vectors of W floats, for loops that the compiler does not vectorise well by itself. A machine
// without such registers takes several narrower ones.

namespace tptt {

template <int W>
struct VectorOf;
template <>
struct VectorOf<8> {
  typedef float type __attribute__((vector_size(32)));
  typedef uint32_t bits __attribute__((vector_size(32)));
  typedef uint16_t half __attribute__((vector_size(16)));
};
template <>
struct VectorOf<16> {
  typedef float type __attribute__((vector_size(64)));
  typedef uint32_t bits __attribute__((vector_size(64)));
  typedef uint16_t half __attribute__((vector_size(32)));
};

TPTT_INLINE int64_t round_up(int64_t size, int64_t to) {
  return (size + to - 1) / to * to;
}

template <int W>
TPTT_INLINE void load_vector(typename VectorOf<W>::type& to, const float* from) {
  std::memcpy(&to, from, sizeof(to));
}

// A bfloat16 is the upper half of a float: zeros go between them, in one shuffle.
template <int W, class Indices = std::make_integer_sequence<int, 2 * W>>
struct Widen;
template <int W, int... J>
struct Widen<W, std::integer_sequence<int, J...>> {
  using Half = typename VectorOf<W>::half;
  TPTT_INLINE static void apply(typename VectorOf<W>::type& to, const Half& half) {
    const auto pairs = __builtin_shufflevector(Half{}, half, (J % 2 ? W + J / 2 : J / 2)...);
    std::memcpy(&to, &pairs, sizeof(to));
  }
};

template <int W>
TPTT_INLINE void load_vector(typename VectorOf<W>::type& to, const c10::BFloat16* from) {
  typename VectorOf<W>::half half;
  std::memcpy(&half, from, sizeof(half));
  Widen<W>::apply(to, half);
}

template <int W>
TPTT_INLINE void store_vector(float* to, const typename VectorOf<W>::type& value) {
  std::memcpy(to, &value, sizeof(value));
}

// Each number's bfloat16 in the lower half of its bits, rounded as bfloat16_bits().
template <int W>
TPTT_INLINE void round_vector(typename VectorOf<W>::bits& to,
                              const typename VectorOf<W>::type& value) {
  typename VectorOf<W>::bits bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const auto rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  to = (bits & 0x7FFFFFFF) > 0x7F800000 ? rounded * 0 + 0x7FC0 : rounded;
}

template <int W>
TPTT_INLINE void store_vector(c10::BFloat16* to, const typename VectorOf<W>::type& value) {
  typename VectorOf<W>::bits bits;
  round_vector<W>(bits, value);
  const auto half = __builtin_convertvector(bits, typename VectorOf<W>::half);
  std::memcpy(to, &half, sizeof(half));
}

/// exp_simd of each number, with the same bits.
template <int W>
TPTT_INLINE void exp_vector(typename VectorOf<W>::type& x) {
  using Vector = typename VectorOf<W>::type;
  using Bits = typename VectorOf<W>::bits;
  const Vector low = Vector{} - 87.3F, high = Vector{} + 88.3F;
  x = x < low ? low : x;
  x = x > high ? high : x;
  const Vector t = x * 1.44269504F + kExpRounds, n = t - kExpRounds;
  const Vector r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  Vector y = Vector{} + kExpTerms[0];
#pragma GCC unroll 5
  for (int i = 1; i < 6; ++i) y = y * r + kExpTerms[i];
  y = y * r * r + r + 1.0F;
  Bits bits, shift;
  std::memcpy(&bits, &y, sizeof bits);
  std::memcpy(&shift, &t, sizeof shift);
  bits += shift << 23;
  std::memcpy(&x, &bits, sizeof bits);
}

/// c tanh(scale x / c) of each number.
template <int W>
TPTT_INLINE void soft_cap_vector(typename VectorOf<W>::type& x, float scale, float cap) {
  x *= 2 * scale / cap;
  exp_vector<W>(x);
  x = cap * (1 - 2 / (x + 1));
}

// value[i] += value[(i + Step) % W]: a level of a sum as a tree.
template <int Step, class Vector, int... J>
TPTT_INLINE void add_turned(Vector& value, std::integer_sequence<int, J...>) {
  value += __builtin_shufflevector(value, value, ((J + Step) % sizeof...(J))...);
}

template <int W>
TPTT_INLINE float sum_of(const typename VectorOf<W>::type& of) {
  auto value = of;
  constexpr auto kIndices = std::make_integer_sequence<int, W>();
  if constexpr (W == 16) add_turned<8>(value, kIndices);
  add_turned<4>(value, kIndices);
  add_turned<2>(value, kIndices);
  add_turned<1>(value, kIndices);
  return value[0];
}

template <int W>
TPTT_INLINE float largest_of(const typename VectorOf<W>::type& of) {
  float largest = of[0];
  for (int i = 1; i < W; ++i) largest = of[i] > largest ? of[i] : largest;
  return largest;
}

}  // namespace tptt
