#include "models/formats/quant.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "models/formats/error.h"

namespace tptt {
namespace {

template <class T>
void store(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  // Below half's normal numbers: adding 0.5 leaves a multiple of 2^-24, rounded by the machine.
  const uint32_t tiny = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) -
                        std::bit_cast<uint32_t>(0.5f);
  const uint32_t rounded = (magnitude + 0xFFF + (magnitude >> 13 & 1)) >> 13;
  const uint32_t normal = std::min(rounded - (112u << 10), 0x7C00u);
  const uint32_t nan = 0x7E00 | (magnitude >> 13 & 0x3FF);
  const uint32_t half = magnitude > 0x7F800000 ? nan : magnitude < 0x38800000 ? tiny : normal;
  return uint16_t(bits >> 16 & 0x8000) | uint16_t(half);
}

uint16_t float_to_bfloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const bool nan = (bits & 0x7FFFFFFF) > 0x7F800000;
  return uint16_t(nan ? bits >> 16 | 64 : (bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

void quantize_q8_0(const float* from, std::byte* to, const std::string& where) {
  float largest = 0;
  bool finite = true;
  for (int i = 0; i < 32; ++i) {
    largest = std::max(largest, std::fabs(from[i]));
    finite &= std::isfinite(from[i]);
  }
  const float d = largest / 127;
  const uint16_t half = float_to_half(d);
  if (!finite || half == 0x7C00)
    throw Error(where + ": a value is not finite or too large for Q8_0");
  // Where 1 / d overflows, d is far below the least half and the block decodes to zero.
  const float inverse = d == 0 || std::isinf(1 / d) ? 0 : 1 / d;
  store(to, half);
  for (int i = 0; i < 32; ++i) {
    const float scaled = from[i] * inverse;
    const int whole = int(scaled);
    const float rest = scaled - float(whole);
    store(to + 2 + i, int8_t(whole + (rest >= 0.5f) - (rest <= -0.5f)));
  }
}

}  // namespace

void from_float32(FileType type, const float* from, int64_t numel, std::byte* to,
                  const std::string& where) {
  switch (type) {
    case FileType::F32:
      std::memcpy(to, from, size_t(numel) * 4);
      return;
    case FileType::F16:
      for (int64_t i = 0; i < numel; ++i) store(to + 2 * i, float_to_half(from[i]));
      return;
    case FileType::BF16:
      for (int64_t i = 0; i < numel; ++i) store(to + 2 * i, float_to_bfloat(from[i]));
      return;
    case FileType::Q8_0:
      for (int64_t i = 0; i < numel / 32; ++i) quantize_q8_0(from + i * 32, to + i * 34, where);
      return;
    default:
      throw Error(where + ": type " + to_string(type) +
                  " is not written; known: F32, F16, BF16, Q8_0");
  }
}

}  // namespace tptt
