#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "models/formats/clones.h"
#include "models/formats/levels.h"

namespace tptt {

// ggml's blocks (ggml-common.h), each layout once: kSize numbers in kBytes bytes, each of them
// scale * (q - kZero) + offset with a byte q, a scale and where kOffsets an offset, for kRun
// numbers in a row.
//   scales<M>(b, scale, offset): those of a block, to arrays of the caller's
//   bytes(b, g, q): the block's g-th sixteen bytes q
// M is what the machine has, at the end.

typedef uint8_t Bytes __attribute__((vector_size(16)));

template <class T>
TPTT_INLINE T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// No branches, so that loops over it vectorise.
TPTT_INLINE float half_to_float(uint16_t half) {
  const uint32_t magnitude = half & 0x7FFF;
  const uint32_t tiny = std::bit_cast<uint32_t>(float(int32_t(magnitude)) * 0x1p-24f);
  const uint32_t rebias = 112u << 23;
  const uint32_t normal = (magnitude << 13) + rebias + (magnitude >= 0x7C00 ? rebias : 0);
  const uint32_t bits = magnitude < 0x400 ? tiny : normal;
  return std::bit_cast<float>(bits | uint32_t(half & 0x8000) << 16);
}

// Low nibbles are the first 16 elements, high ones the rest.
TPTT_INLINE void nibbles(const uint8_t* packed, int g, Bytes& q) {
  q = load<Bytes>(packed) >> 4 * g & 15;
}

// The fifth bits of 32 elements, each to its nibble.
TPTT_INLINE void add_fifth_bits(const uint8_t* bits, int g, Bytes& q) {
  constexpr Bytes kFirst = {1, 2, 4, 8, 16, 32, 64, 128},
                  kRest = {0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128};
  q |= Bytes(((kFirst & bits[2 * g]) | (kRest & bits[2 * g + 1])) != 0) & 16;
}

// A scale and perhaps an offset, in halves, for 32 elements.
template <int Size, int Zero, bool Offsets>
struct SmallBlock {
  static constexpr int kSize = 32, kBytes = Size, kRun = 32, kZero = Zero;
  static constexpr bool kOffsets = Offsets;
  template <class M>
  TPTT_INLINE static void scales(const uint8_t* b, float* scale, float* offset) {
    *scale = M::half_at(b);
    if (Offsets) *offset = M::half_at(b + 2);
  }
};

struct BlockQ8_0 : SmallBlock<34, 128, false> {
  TPTT_INLINE static void bytes(const uint8_t* b, int g, Bytes& q) {
    q = load<Bytes>(b + 2 + 16 * g) ^ 128;  // signed there
  }
};

struct BlockQ4_0 : SmallBlock<18, 8, false> {
  TPTT_INLINE static void bytes(const uint8_t* b, int g, Bytes& q) { nibbles(b + 2, g, q); }
};

struct BlockQ4_1 : SmallBlock<20, 0, true> {
  TPTT_INLINE static void bytes(const uint8_t* b, int g, Bytes& q) { nibbles(b + 4, g, q); }
};

struct BlockQ5_0 : SmallBlock<22, 16, false> {
  TPTT_INLINE static void bytes(const uint8_t* b, int g, Bytes& q) {
    nibbles(b + 6, g, q);
    add_fifth_bits(b + 2, g, q);
  }
};

struct BlockQ5_1 : SmallBlock<24, 0, true> {
  TPTT_INLINE static void bytes(const uint8_t* b, int g, Bytes& q) {
    nibbles(b + 8, g, q);
    add_fifth_bits(b + 4, g, q);
  }
};

// The K types hold 256 elements in sub-blocks of 16 or 32, each with a scale of its own.
template <int Size, int Run, int Zero, bool Offsets>
struct LargeBlock {
  static constexpr int kSize = 256, kBytes = Size, kRun = Run, kZero = Zero;
  static constexpr bool kOffsets = Offsets;
};

// scales[16] (4 bits each of scale and minimum), qs[64] (2 bits), d, dmin.
struct BlockQ2_K : LargeBlock<84, 16, 0, true> {
  template <class M>
  TPTT_INLINE static void scales(const uint8_t* b, float* scale, float* offset) {
    const float d = M::half_at(b + 80), d_minimum = M::half_at(b + 82);
    for (int g = 0; g < 16; ++g) {
      scale[g] = d * float(b[g] & 15);
      offset[g] = -(d_minimum * float(b[g] >> 4));
    }
  }
  TPTT_INLINE static void bytes(const uint8_t* b, int g, Bytes& q) {
    q = load<Bytes>(b + 16 + (g / 8) * 32 + (g % 2) * 16) >> (g / 2 % 4 * 2) & 3;
  }
};

// hmask[32] (bit: do not subtract 4), qs[64] (2 bits), scales[12] (16 of 6 bits), d.
struct BlockQ3_K : LargeBlock<110, 16, 4, false> {
  template <class M>
  TPTT_INLINE static void scales(const uint8_t* b, float* scale, float*) {
    const uint8_t* packed = b + 96;
    const float d = M::half_at(b + 108);
    for (int g = 0; g < 16; ++g) {
      const int low = packed[g % 8] >> (g / 8 * 4) & 15;
      const int high = packed[8 + g % 4] >> (g / 4 * 2) & 3;
      scale[g] = d * float((low | high << 4) - 32);
    }
  }
  TPTT_INLINE static void bytes(const uint8_t* b, int g, Bytes& q) {
    const Bytes mask = load<Bytes>(b + (g % 2) * 16) >> g / 2 & 1;
    q = load<Bytes>(b + 32 + (g / 8) * 32 + (g % 2) * 16) >> (g / 2 % 4 * 2) & 3;
    q |= mask << 2;
  }
};

// The two 6-bit numbers, scale and minimum, of each of the 8 sub-blocks of Q4_K and Q5_K: d, dmin,
// scales[12].
template <int Size>
struct SixBitBlock : LargeBlock<Size, 32, 0, true> {
  template <class M>
  TPTT_INLINE static void scales(const uint8_t* b, float* scale, float* offset) {
    const float d = M::half_at(b), d_minimum = M::half_at(b + 2);
    for (int i = 0; i < 4; ++i) {
      const uint8_t s = b[4 + i], m = b[8 + i], rest = b[12 + i];
      scale[i] = d * float(s & 63);
      scale[i + 4] = d * float((rest & 15) | (s >> 6) << 4);
      offset[i] = -(d_minimum * float(m & 63));
      offset[i + 4] = -(d_minimum * float(rest >> 4 | (m >> 6) << 4));
    }
  }
};

// .., qs[128] (4 bits).
struct BlockQ4_K : SixBitBlock<144> {
  TPTT_INLINE static void bytes(const uint8_t* b, int g, Bytes& q) {
    nibbles(b + 16 + (g / 4) * 32 + (g % 2) * 16, g / 2 % 2, q);
  }
};

// .., qh[32] (the fifth bits), qs[128].
struct BlockQ5_K : SixBitBlock<176> {
  TPTT_INLINE static void bytes(const uint8_t* b, int g, Bytes& q) {
    nibbles(b + 48 + (g / 4) * 32 + (g % 2) * 16, g / 2 % 2, q);
    q |= (load<Bytes>(b + 16 + (g % 2) * 16) >> g / 2 & 1) << 4;
  }
};

// ql[128] (4 bits), qh[64] (2 bits), scales[16] (int8), d.
struct BlockQ6_K : LargeBlock<210, 16, 32, false> {
  template <class M>
  TPTT_INLINE static void scales(const uint8_t* b, float* scale, float*) {
    const float d = M::half_at(b + 208);
    for (int g = 0; g < 16; ++g) scale[g] = d * float(int8_t(b[192 + g]));
  }
  TPTT_INLINE static void bytes(const uint8_t* b, int g, Bytes& q) {
    const int row = g % 8 / 2, half = g / 8;  // of 32 elements, of 128
    nibbles(b + half * 64 + (row % 2) * 32 + (g % 2) * 16, row / 2, q);
    q |= (load<Bytes>(b + 128 + half * 32 + (g % 2) * 16) >> row * 2 & 3) << 4;
  }
};

template <int W>
struct Lanes {
  typedef int32_t Ints __attribute__((vector_size(4 * W)));
  typedef float Floats __attribute__((vector_size(4 * W)));
  Ints part[16 / W];  // sixteen numbers
};

// The compiler makes vectors of it where it knows how to widen sixteen bytes, but not of AVX2's.
template <int W>
TPTT_INLINE void widen_one_by_one(const Bytes& q, Lanes<W>& to) {
  uint8_t bytes[16];
  int32_t numbers[16];
  std::memcpy(bytes, &q, sizeof bytes);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) numbers[i] = bytes[i];
  std::memcpy(&to, numbers, sizeof to);
}

// kWidth is that of its vectors.
struct AnyMachine {
  static constexpr int kWidth = 4;
  TPTT_INLINE static float half_at(const void* from) { return half_to_float(load<uint16_t>(from)); }
  TPTT_INLINE static void widen(const Bytes& q, Lanes<4>& to) { widen_one_by_one(q, to); }
};

struct Avx2Machine {
  static constexpr int kWidth = 8;
  TPTT_INLINE static float half_at(const void* from) {
#ifdef __FLT16_MAX__
    return float(load<_Float16>(from));  // one instruction
#else
    return half_to_float(load<uint16_t>(from));
#endif
  }
  TPTT_INLINE static void widen(const Bytes& q, Lanes<8>& to) {
    typedef uint8_t Eight __attribute__((vector_size(8)));
    typedef uint16_t Wider __attribute__((vector_size(16)));
    for (int n = 0; n < 2; ++n) {
      Eight half;
      std::memcpy(&half, reinterpret_cast<const char*>(&q) + 8 * n, sizeof half);
      to.part[n] = __builtin_convertvector(__builtin_convertvector(half, Wider), Lanes<8>::Ints);
    }
  }
};

struct Avx512Machine {
  static constexpr int kWidth = 16;
  TPTT_INLINE static float half_at(const void* from) { return Avx2Machine::half_at(from); }
  TPTT_INLINE static void widen(const Bytes& q, Lanes<16>& to) { widen_one_by_one(q, to); }
};

/// use(i, j, w) for each vector w of the `numel` numbers in whole blocks: those from the j-th of
/// the block on that begins with the i-th.
template <class B, class M, class Use>
TPTT_INLINE void for_numbers(const uint8_t* b, int64_t numel, Use use) {
  using Vectors = Lanes<M::kWidth>;
  for (int64_t i = 0; i < numel; i += B::kSize, b += B::kBytes) {
    float scale[B::kSize / B::kRun], offset[B::kSize / B::kRun];
    B::template scales<M>(b, scale, offset);
#pragma GCC unroll 16
    for (int g = 0; g < B::kSize / 16; ++g) {
      Bytes bytes;
      Vectors q;
      B::bytes(b, g, bytes);
      M::widen(bytes, q);
#pragma GCC unroll 4
      for (int n = 0; n < 16 / M::kWidth; ++n) {
        typename Vectors::Floats w =
            __builtin_convertvector(q.part[n] - B::kZero, typename Vectors::Floats);
        w *= scale[g * 16 / B::kRun];
        if (B::kOffsets) w += offset[g * 16 / B::kRun];
        use(i, g * 16 + n * M::kWidth, w);
      }
    }
  }
}

// A function that calls body<B, M> as this machine can.
#define TPTT_AT_LEVELS(name, body, B, parameters, ...)                                     \
  TPTT_V4 static void name##_v4 parameters {                                               \
    body<B, Avx512Machine>(__VA_ARGS__);                                                   \
  }                                                                                        \
  TPTT_V3 static void name##_v3 parameters {                                               \
    body<B, Avx2Machine>(__VA_ARGS__);                                                     \
  }                                                                                        \
  static void name##_any parameters {                                                      \
    body<B, AnyMachine>(__VA_ARGS__);                                                      \
  }                                                                                        \
  void name parameters {                                                                   \
    static const auto best = at_level(levels().front(), name##_v4, name##_v3, name##_any); \
    best(__VA_ARGS__);                                                                     \
  }

}  // namespace tptt
