#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "models/formats/clones.h"

namespace tptt {

// The decoders of the file_type.cpp table: `numel` elements at `from`, whole blocks, to float32.
// Layouts: ggml-common.h. Every product and sum is rounded to float32 as the gguf package does.
void dequantize_f64(const std::byte* from, int64_t numel, float* to);
void dequantize_f32(const std::byte* from, int64_t numel, float* to);
void dequantize_f16(const std::byte* from, int64_t numel, float* to);
void dequantize_bf16(const std::byte* from, int64_t numel, float* to);
void dequantize_q8_0(const std::byte* from, int64_t numel, float* to);
void dequantize_q4_0(const std::byte* from, int64_t numel, float* to);
void dequantize_q4_1(const std::byte* from, int64_t numel, float* to);
void dequantize_q5_0(const std::byte* from, int64_t numel, float* to);
void dequantize_q5_1(const std::byte* from, int64_t numel, float* to);
void dequantize_q2_k(const std::byte* from, int64_t numel, float* to);
void dequantize_q3_k(const std::byte* from, int64_t numel, float* to);
void dequantize_q4_k(const std::byte* from, int64_t numel, float* to);
void dequantize_q5_k(const std::byte* from, int64_t numel, float* to);
void dequantize_q6_k(const std::byte* from, int64_t numel, float* to);

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

TPTT_INLINE float half_at(const void* from) {
  return half_to_float(load<uint16_t>(from));
}

// Sixteen results in a row. Unrolled they become vectors; a loop of bytes to floats does not.
template <class Value>
TPTT_INLINE void sixteen(float* out, Value value) {
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) out[i] = value(i);
}

// Calls `block` for each block of `Size` elements in `Bytes` bytes. Its bytes are copied: those
// that may lie where the results go would keep the loops over them from being vectorised.
template <int Size, int Bytes, class Block>
TPTT_INLINE void for_blocks(const std::byte* from, int64_t numel, float* to, Block block) {
  for (int64_t i = 0; i < numel / Size; ++i) {
    uint8_t bytes[Bytes];
    std::memcpy(bytes, from + i * Bytes, Bytes);
    block(bytes, to + i * Size);
  }
}

}  // namespace tptt
