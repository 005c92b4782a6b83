#include "models/formats/dequant.h"

#include "models/formats/block_layouts.h"
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
  for (int64_t i = 0; i < numel; ++i) to[i] = half_to_float(load<uint16_t>(from + 2 * i));
}

void dequantize_bf16(const std::byte* from, int64_t numel, float* to) {
  for (int64_t i = 0; i < numel; ++i)
    to[i] = std::bit_cast<float>(uint32_t(load<uint16_t>(from + 2 * i)) << 16);
}

namespace {

template <class B, class M>
TPTT_INLINE void dequantize(const std::byte* from, int64_t numel, float* to) {
  const auto* blocks = reinterpret_cast<const uint8_t*>(from);
  for (int64_t i = 0; i < numel; i += B::kSize, blocks += B::kBytes) {
    float values[B::kSize];  // were it memory where `blocks` may lie, loops would not be vectorised
    for_numbers<B, M>(blocks, B::kSize, [&](int64_t, int j, const auto& w) {
      std::memcpy(values + j, &w, sizeof w);
    });
    std::memcpy(to + i, values, sizeof values);
  }
}

}  // namespace

#define TPTT_DEQUANTIZE(name, B)                   \
  TPTT_AT_LEVELS(dequantize_##name, dequantize, B, \
                 (const std::byte* from, int64_t numel, float* to), from, numel, to)
TPTT_BLOCK_TYPES(TPTT_DEQUANTIZE)
#undef TPTT_DEQUANTIZE

}  // namespace tptt
