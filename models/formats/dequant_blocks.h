#pragma once

#include <cstddef>
#include <cstdint>

namespace tptt {

// The types of blocks, each with its layout (block_layouts.h).
#define TPTT_BLOCK_TYPES(X) \
  X(q8_0, BlockQ8_0)        \
  X(q4_0, BlockQ4_0)        \
  X(q4_1, BlockQ4_1)        \
  X(q5_0, BlockQ5_0)        \
  X(q5_1, BlockQ5_1)        \
  X(q2_k, BlockQ2_K)        \
  X(q3_k, BlockQ3_K)        \
  X(q4_k, BlockQ4_K)        \
  X(q5_k, BlockQ5_K)        \
  X(q6_k, BlockQ6_K)

// What file_type.cpp's table calls. dequantize_: `numel` elements at `from`, whole blocks, to
// float32, every product and sum rounded as the gguf package does. dot_: y[i] is the product of x
// and the i-th of `count` rows of `numel` elements, in float32.
void dequantize_f64(const std::byte* from, int64_t numel, float* to);
void dequantize_f32(const std::byte* from, int64_t numel, float* to);
void dequantize_f16(const std::byte* from, int64_t numel, float* to);
void dequantize_bf16(const std::byte* from, int64_t numel, float* to);

#define TPTT_DECLARE(name, B)                                              \
  void dequantize_##name(const std::byte* from, int64_t numel, float* to); \
  void dot_##name(const std::byte* rows, int64_t count, const float* x, int64_t numel, float* y);
TPTT_BLOCK_TYPES(TPTT_DECLARE)
#undef TPTT_DECLARE

}  // namespace tptt
