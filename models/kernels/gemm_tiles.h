#pragma once

#include "models/kernels/gemm_panel.h"

// Products of pairs of bfloat16 by AMX, whose registers are tiles of 16 rows of 16 pairs or floats.
// Their instructions have names in every compiler only as text; no compiler takes the registers for
// itself.

namespace tptt::panel {

/// This thread's tile registers as Tiles takes them, as long as it lives.
class TileRegisters {
 public:
  TileRegisters() {
    struct {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 32, 64};  // of a row
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 8};
    } config;
    asm volatile("ldtilecfg %0" ::"m"(config));
  }
  ~TileRegisters() { asm volatile("tilerelease"); }
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;
};

namespace tmm {

// The sums are in the first four registers.
constexpr int kLeft = 4, kRight = 5;          // 16 deep
constexpr int kHalfLeft = 6, kHalfRight = 7;  // 8 deep

template <int N>
TPTT_INLINE void load(const float* from, int64_t row) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(row * 4), "i"(N) : "memory");
}

template <int N>
TPTT_INLINE void store(float* to, int64_t row) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(row * 4), "i"(N) : "memory");
}

template <int... N>
TPTT_INLINE void clear(std::integer_sequence<int, N...>) {
  (..., ({ asm volatile("tilezero %%tmm%c0" ::"i"(N)); }));
}

template <int Sum, int A, int B>
TPTT_INLINE void multiply() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(Sum), "i"(A), "i"(B));
}

// The left factor's 16 rows, Depth pairs of each.
template <int N, int Depth>
TPTT_INLINE void load_left(Left a) {
  if (a.step == 1) return load<N>(a.at, a.row);
  VectorOf<16>::type rows[16];
  alignas(64) float turned[16 * 16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    rows[i] = VectorOf<16>::type{};
    if (i < Depth) load_vector<16>(rows[i], a.at + i * a.step);
  }
  exchange<16, 1>(rows);
  exchange<16, 2>(rows);
  exchange<16, 4>(rows);
  exchange<16, 8>(rows);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) store_vector<16>(turned + i * 16, rows[i]);
  load<N>(turned, 16);
}

template <int A, int B, int Depth, int... N>
TPTT_INLINE void step(Left a, Rows<const float> b, std::integer_sequence<int, N...>) {
  load_left<A, Depth>(a);
  (..., (load<B>(b.at + N * 16, b.row), multiply<N, A, B>()));
}

template <int... N>
TPTT_INLINE void store_sums(float* to, int64_t row, std::integer_sequence<int, N...>) {
  (..., store<N>(to + N * 16, row));
}

}  // namespace tmm

// As Pairs, in the tiles' registers: rows and depth that do not fill them go by Pairs itself.
struct Tiles {
  static constexpr int kPer = 2;

  // c [16, V * 16] = or += a [16, k] b [k, V * 16].
  template <int V>
  TPTT_INLINE static void whole_rows(Left a, Rows<const float> b, int64_t k, Rows<float> c,
                                     bool add) {
    constexpr auto kSums = std::make_integer_sequence<int, V>();
    const auto left = [&](int64_t i) { return Left{a.at + i * a.step, a.row, a.step}; };
    const auto right = [&](int64_t i) { return Rows<const float>{b.at + i * b.row, b.row}; };
    alignas(64) float sums[16 * V * 16];
    int64_t i = 0;
    tmm::clear(kSums);
    for (; i + 16 <= k; i += 16) tmm::step<tmm::kLeft, tmm::kRight, 16>(left(i), right(i), kSums);
    if (i + 8 <= k) {
      tmm::step<tmm::kHalfLeft, tmm::kHalfRight, 8>(left(i), right(i), kSums);
      i += 8;
    }
    tmm::store_sums(add ? sums : c.at, add ? V * 16 : c.row, kSums);
    if (add) unpack<V, 16>(sums, 16, V * 16, c.at, c.row, true);
    if (i < k) rows_of_tiles<6, V, 16, Pairs>(left(i), right(i), k - i, 16, c, true);
  }

  template <int V>
  TPTT_INLINE static void all_rows(Left a, Rows<const float> b, int64_t k, int64_t rows,
                                   Rows<float> c, bool add) {
    int64_t r = 0;
    for (; r + 16 <= rows; r += 16)
      whole_rows<V>({a.at + r * a.row, a.row, a.step}, b, k, {c.at + r * c.row, c.row}, add);
    const Left rest{a.at + r * a.row, a.row, a.step};
    rows_of_tiles<6, V, 16, Pairs>(rest, b, k, rows - r, {c.at + r * c.row, c.row}, add);
  }
};

}  // namespace tptt::panel
