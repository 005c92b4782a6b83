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
  std::memcpy(to, from, size_t(numel) * 4);
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

// Low nibbles are the first 16 elements, high ones the rest.
template <class Value>
void nibbles(const uint8_t* packed, float* out, Value value) {
  for (int i = 0; i < 16; ++i) out[i] = value(packed[i] & 15, i);
  for (int i = 0; i < 16; ++i) out[i + 16] = value(packed[i] >> 4, i + 16);
}

}  // namespace

void dequantize_q4_0(const std::byte* from, int64_t numel, float* to) {
  for_blocks<32, 18>(from, numel, to, [](const uint8_t* b, float* out) {
    const float d = half_at(b);
    nibbles(b + 2, out, [d](int q, int) { return d * float(q - 8); });
  });
}

void dequantize_q4_1(const std::byte* from, int64_t numel, float* to) {
  for_blocks<32, 20>(from, numel, to, [](const uint8_t* b, float* out) {
    const float d = half_at(b), m = half_at(b + 2);
    nibbles(b + 4, out, [d, m](int q, int) { return d * float(q) + m; });
  });
}

void dequantize_q5_0(const std::byte* from, int64_t numel, float* to) {
  for_blocks<32, 22>(from, numel, to, [](const uint8_t* b, float* out) {
    const float d = half_at(b);
    const auto high = load<uint32_t>(b + 2);
    nibbles(b + 6, out,
            [=](int q, int i) { return d * float((q | int(high >> i & 1) << 4) - 16); });
  });
}

void dequantize_q5_1(const std::byte* from, int64_t numel, float* to) {
  for_blocks<32, 24>(from, numel, to, [](const uint8_t* b, float* out) {
    const float d = half_at(b), m = half_at(b + 2);
    const auto high = load<uint32_t>(b + 4);
    nibbles(b + 8, out, [=](int q, int i) { return d * float(q | int(high >> i & 1) << 4) + m; });
  });
}

}  // namespace tptt
