#pragma once

#include <cstddef>
#include <cstdint>

namespace tptt {

// The decoders of the file_type.cpp table: `numel` elements at `from`, whole blocks, to float32.
// Every product and sum is rounded to float32 as the gguf package does.
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

// Its products: y[i] is that of x and the i-th of `count` rows of `numel` elements, in float32.
void dot_q8_0(const std::byte* rows, int64_t count, const float* x, int64_t numel, float* y);
void dot_q4_0(const std::byte* rows, int64_t count, const float* x, int64_t numel, float* y);
void dot_q4_1(const std::byte* rows, int64_t count, const float* x, int64_t numel, float* y);
void dot_q5_0(const std::byte* rows, int64_t count, const float* x, int64_t numel, float* y);
void dot_q5_1(const std::byte* rows, int64_t count, const float* x, int64_t numel, float* y);
void dot_q2_k(const std::byte* rows, int64_t count, const float* x, int64_t numel, float* y);
void dot_q3_k(const std::byte* rows, int64_t count, const float* x, int64_t numel, float* y);
void dot_q4_k(const std::byte* rows, int64_t count, const float* x, int64_t numel, float* y);
void dot_q5_k(const std::byte* rows, int64_t count, const float* x, int64_t numel, float* y);
void dot_q6_k(const std::byte* rows, int64_t count, const float* x, int64_t numel, float* y);

}  // namespace tptt
