#include "models/formats/dequant_blocks.h"

namespace tptt {
namespace {

// Super-blocks hold 256 elements in sub-blocks of 16 or 32, each with a scale of its own.

// The two 6-bit numbers, scale and minimum, of each of the 8 sub-blocks of Q4_K and Q5_K: 12 bytes.
struct Scales {
  float scale[8], minimum[8];
};

Scales unpack_scales(const uint8_t* packed, float d, float d_minimum) {
  Scales out;
  for (int i = 0; i < 4; ++i) {
    const uint8_t a = packed[i], b = packed[i + 4], c = packed[i + 8];
    out.scale[i] = d * float(a & 63);
    out.scale[i + 4] = d * float((c & 15) | (a >> 6) << 4);
    out.minimum[i] = d_minimum * float(b & 63);
    out.minimum[i + 4] = d_minimum * float(c >> 4 | (b >> 6) << 4);
  }
  return out;
}

}  // namespace

// scales[16] (4 bits each of scale and minimum), qs[64] (2 bits), d, dmin.
TPTT_SIMD_V4 void dequantize_q2_k(const std::byte* from, int64_t numel, float* to) {
  for_blocks<256, 84>(from, numel, to, [](const uint8_t* b, float* out) {
    const float d = half_at(b + 80), d_minimum = half_at(b + 82);
    for (int g = 0; g < 16; ++g, out += 16) {
      const float scale = d * float(b[g] & 15), minimum = d_minimum * float(b[g] >> 4);
      const uint8_t* q = b + 16 + (g / 8) * 32 + (g % 2) * 16;
      const int shift = g / 2 % 4 * 2;
      sixteen(out, [=](int i) { return scale * float(q[i] >> shift & 3) - minimum; });
    }
  });
}

// hmask[32] (bit: do not subtract 4), qs[64] (2 bits), scales[12] (16 of 6 bits), d.
TPTT_SIMD_V4 void dequantize_q3_k(const std::byte* from, int64_t numel, float* to) {
  for_blocks<256, 110>(from, numel, to, [](const uint8_t* b, float* out) {
    const uint8_t* packed = b + 96;
    const float d = half_at(b + 108);
    for (int g = 0; g < 16; ++g, out += 16) {
      const int low = packed[g % 8] >> (g / 8 * 4) & 15;
      const int high = packed[8 + g % 4] >> (g / 4 * 2) & 3;
      const float scale = d * float((low | high << 4) - 32);
      const uint8_t* q = b + 32 + (g / 8) * 32 + (g % 2) * 16;
      const uint8_t* mask = b + (g % 2) * 16;
      const int shift = g / 2 % 4 * 2, bit = g / 2;
      sixteen(out, [=](int i) {
        return scale * float((q[i] >> shift & 3) + (mask[i] >> bit & 1) * 4 - 4);
      });
    }
  });
}

// d, dmin, scales[12], qs[128] (4 bits).
TPTT_SIMD_V4 void dequantize_q4_k(const std::byte* from, int64_t numel, float* to) {
  for_blocks<256, 144>(from, numel, to, [](const uint8_t* b, float* out) {
    const Scales s = unpack_scales(b + 4, half_at(b), half_at(b + 2));
    for (int g = 0; g < 16; ++g, out += 16) {
      const uint8_t* q = b + 16 + (g / 4) * 32 + (g % 2) * 16;
      const int shift = g / 2 % 2 * 4;
      const float scale = s.scale[g / 2], minimum = s.minimum[g / 2];
      sixteen(out, [=](int i) { return scale * float(q[i] >> shift & 15) - minimum; });
    }
  });
}

// d, dmin, scales[12], qh[32] (the fifth bits), qs[128].
TPTT_SIMD_V4 void dequantize_q5_k(const std::byte* from, int64_t numel, float* to) {
  for_blocks<256, 176>(from, numel, to, [](const uint8_t* b, float* out) {
    const Scales s = unpack_scales(b + 4, half_at(b), half_at(b + 2));
    for (int g = 0; g < 16; ++g, out += 16) {
      const uint8_t* q = b + 48 + (g / 4) * 32 + (g % 2) * 16;
      const uint8_t* high = b + 16 + (g % 2) * 16;
      const int shift = g / 2 % 2 * 4, bit = g / 2;
      const float scale = s.scale[g / 2], minimum = s.minimum[g / 2];
      sixteen(out, [=](int i) {
        return scale * float((q[i] >> shift & 15) | (high[i] >> bit & 1) << 4) - minimum;
      });
    }
  });
}

// ql[128] (4 bits), qh[64] (2 bits), scales[16] (int8), d.
TPTT_SIMD_V4 void dequantize_q6_k(const std::byte* from, int64_t numel, float* to) {
  for_blocks<256, 210>(from, numel, to, [](const uint8_t* b, float* out) {
    const float d = half_at(b + 208);
    for (int g = 0; g < 16; ++g, out += 16) {
      const float scale = d * float(int8_t(b[192 + g]));
      const int row = g % 8 / 2, half = g / 8;  // of 32 elements, of 128
      const uint8_t* low = b + half * 64 + (row % 2) * 32 + (g % 2) * 16;
      const uint8_t* high = b + 128 + half * 32 + (g % 2) * 16;
      const int low_shift = row / 2 * 4, high_shift = row * 2;
      sixteen(out, [=](int i) {
        return scale * float(((low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4) - 32);
      });
    }
  });
}

}  // namespace tptt
