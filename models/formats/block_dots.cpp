#include "models/formats/block_layouts.h"
#include "models/formats/dequant_blocks.h"

// Products with blocks as they are: their numbers go from registers into the sums. Unlike the
// decoders, a product and a sum may be rounded as one.

namespace tptt {
namespace {

template <class B, class M>
TPTT_INLINE void dot(const std::byte* rows, int64_t count, const float* x, int64_t numel,
                     float* y) {
  constexpr int kWidth = M::kWidth, kSums = 4;  // that do not wait for each other
  const auto* blocks = reinterpret_cast<const uint8_t*>(rows);
  for (int64_t row = 0; row < count; ++row, blocks += numel / B::kSize * B::kBytes) {
    typename Lanes<kWidth>::Floats sum[kSums] = {};
    for_numbers<B, M>(blocks, numel, [&](int64_t i, int j, const auto& w) {
      auto xs = w;
      std::memcpy(&xs, x + i + j, sizeof xs);
      sum[j / kWidth % kSums] += w * xs;
    });
    float parts[kWidth];
    sum[0] += sum[1] + (sum[2] + sum[3]);
    std::memcpy(parts, sum, sizeof parts);
    for (int half = kWidth / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) parts[i] += parts[i + half];
    y[row] = parts[0];
  }
}

}  // namespace

#define TPTT_DOT(name, B)                                                                         \
  TPTT_AT_LEVELS(dot_##name, dot, B,                                                              \
                 (const std::byte* rows, int64_t count, const float* x, int64_t numel, float* y), \
                 rows, count, x, numel, y)
TPTT_BLOCK_TYPES(TPTT_DOT)
#undef TPTT_DOT

}  // namespace tptt
