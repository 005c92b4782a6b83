#include "models/formats/dequant.h"

#include <bit>
#include <cassert>
#include <cstring>

namespace tptt {
namespace {

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

float half_to_float(uint16_t h) {
  const uint32_t sign = uint32_t(h & 0x8000) << 16;
  const uint32_t exponent = h >> 10 & 0x1F, mantissa = h & 0x3FF;
  if (exponent == 0) {
    const float magnitude = float(mantissa) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  const uint32_t bits =
      exponent == 31 ? 0x7F800000u | mantissa << 13 : (exponent + 112) << 23 | mantissa << 13;
  return std::bit_cast<float>(sign | bits);
}

float half_at(const std::byte* from) {
  return half_to_float(load<uint16_t>(from));
}

// Blocks of 32 four-bit values: low nibbles are the first 16, high ones the rest.
template <class Value>
void unpack_nibbles(const std::byte* packed, float* to, Value value) {
  for (int i = 0; i < 16; ++i) {
    const auto byte = uint8_t(packed[i]);
    to[i] = value(byte & 15);
    to[i + 16] = value(byte >> 4);
  }
}

void q8_0(const std::byte* from, float* to) {
  const float d = half_at(from);
  for (int i = 0; i < 32; ++i) to[i] = d * float(load<int8_t>(from + 2 + i));
}

void q4_0(const std::byte* from, float* to) {
  const float d = half_at(from);
  unpack_nibbles(from + 2, to, [d](int q) { return d * float(q - 8); });
}

void q4_1(const std::byte* from, float* to) {
  const float d = half_at(from), m = half_at(from + 2);
  unpack_nibbles(from + 4, to, [d, m](int q) { return d * float(q) + m; });
}

void blocks(const std::byte* from, int64_t numel, float* to, int bytes,
            void (*block)(const std::byte*, float*)) {
  for (int64_t i = 0; i < numel / 32; ++i) block(from + i * bytes, to + i * 32);
}

}  // namespace

void to_float32(FileType type, const std::byte* from, int64_t numel, float* to) {
  switch (type) {
    case FileType::F32:
      std::memcpy(to, from, size_t(numel) * 4);
      return;
    case FileType::F64:
      for (int64_t i = 0; i < numel; ++i) to[i] = float(load<double>(from + 8 * i));
      return;
    case FileType::F16:
      for (int64_t i = 0; i < numel; ++i) to[i] = half_at(from + 2 * i);
      return;
    case FileType::BF16:
      for (int64_t i = 0; i < numel; ++i)
        to[i] = std::bit_cast<float>(uint32_t(load<uint16_t>(from + 2 * i)) << 16);
      return;
    case FileType::Q8_0:
      return blocks(from, numel, to, 34, q8_0);
    case FileType::Q4_0:
      return blocks(from, numel, to, 18, q4_0);
    case FileType::Q4_1:
      return blocks(from, numel, to, 20, q4_1);
    default:
      assert(false && "integer tensors are no weights");
  }
}

}  // namespace tptt
