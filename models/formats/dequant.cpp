#include "models/formats/dequant.h"

#include "models/formats/dequant_blocks.h"
#include "models/formats/error.h"

namespace tptt {

void to_float32(FileType type, const std::byte* from, int64_t numel, float* to) {
  if (!info_of(type).to_float32)
    throw Error("a tensor of type " + to_string(type) + " is no weight; expected floating point");
  info_of(type).to_float32(from, numel, to);
}

void dequantize_f64(const std::byte* from, int64_t numel, float* to) {
  for (int64_t i = 0; i < numel; ++i) to[i] = float(load<double>(from + 8 * i));
}

void dequantize_f32(const std::byte* from, int64_t numel, float* to) {
  if (numel > 0) std::memcpy(to, from, size_t(numel) * 4);  // else the pointers may be null
}

void dequantize_f16(const std::byte* from, int64_t numel, float* to) {
  for (int64_t i = 0; i < numel; ++i) to[i] = half_at(from + 2 * i);
}

void dequantize_bf16(const std::byte* from, int64_t numel, float* to) {
  for (int64_t i = 0; i < numel; ++i)
    to[i] = std::bit_cast<float>(uint32_t(load<uint16_t>(from + 2 * i)) << 16);
}

void dequantize_q8_0(const std::byte* from, int64_t numel, float* to) {
  for_blocks<32, 34>(from, numel, to, [](const uint8_t* b, float* out) {
    const float d = half_at(b);
    for (int i = 0; i < 32; ++i) out[i] = d * float(int8_t(b[2 + i]));
  });
}

namespace {

// Low nibbles are the first 16 elements, high ones the rest. `high` has the elements' fifth bits.
template <class Value>
TPTT_INLINE void nibbles(const uint8_t* packed, uint32_t high, float* out, Value value) {
  // Each is shifted, the first one too, or they are not the same to the compiler.
  const uint32_t first = high << 5, rest = high >> 16 << 5;
  sixteen(out, [=](int i) { return value(int(packed[i] & 15) | int(first >> (i + 1) & 16)); });
  sixteen(out + 16, [=](int i) { return value(int(packed[i] >> 4) | int(rest >> (i + 1) & 16)); });
}

}  // namespace

TPTT_SIMD_V4 void dequantize_q4_0(const std::byte* from, int64_t numel, float* to) {
  for_blocks<32, 18>(from, numel, to, [](const uint8_t* b, float* out) {
    const float d = half_at(b);
    nibbles(b + 2, 0, out, [d](int q) { return d * float(q - 8); });
  });
}

TPTT_SIMD_V4 void dequantize_q4_1(const std::byte* from, int64_t numel, float* to) {
  for_blocks<32, 20>(from, numel, to, [](const uint8_t* b, float* out) {
    const float d = half_at(b), m = half_at(b + 2);
    nibbles(b + 4, 0, out, [d, m](int q) { return d * float(q) + m; });
  });
}

void dequantize_q5_0(const std::byte* from, int64_t numel, float* to) {
  for_blocks<32, 22>(from, numel, to, [](const uint8_t* b, float* out) {
    const float d = half_at(b);
    nibbles(b + 6, load<uint32_t>(b + 2), out, [d](int q) { return d * float(q - 16); });
  });
}

void dequantize_q5_1(const std::byte* from, int64_t numel, float* to) {
  for_blocks<32, 24>(from, numel, to, [](const uint8_t* b, float* out) {
    const float d = half_at(b), m = half_at(b + 2);
    nibbles(b + 8, load<uint32_t>(b + 4), out, [d, m](int q) { return d * float(q) + m; });
  });
}

}  // namespace tptt
