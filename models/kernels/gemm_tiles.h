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

// The left factor's 16 rows, Depth pairs of each: side by side, or the rows are.
template <int N, int Depth>
TPTT_INLINE void load_left(Left a) {
  if (a.step == 1) return load<N>(a.at, a.row);
  alignas(64) float turned[16 * 16];
  transpose<16, Depth>(a.at, a.step, turned, 16);
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
  static constexpr int kRest = 6;  // rows at a time that go by Pairs

  // c [16, V * 16] = or += a [16, k] b [k, V * 16].
  template <int V>
  TPTT_INLINE static void whole_rows(Left a, Rows<const float> b, int64_t k, Rows<float> c,
                                     bool add) {
    constexpr auto kSums = std::make_integer_sequence<int, V>();
    static_assert(V <= tmm::kLeft);
    alignas(64) float sums[16 * V * 16];
    int64_t i = 0;
    tmm::clear(kSums);
    for (; i + 16 <= k; i += 16)
      tmm::step<tmm::kLeft, tmm::kRight, 16>(a.steps_from(i), b.from(i), kSums);
    if (i + 8 <= k) {
      tmm::step<tmm::kHalfLeft, tmm::kHalfRight, 8>(a.steps_from(i), b.from(i), kSums);
      i += 8;
    }
    tmm::store_sums(add ? sums : c.at, add ? V * 16 : c.row, kSums);
    if (add) unpack<V, 16>(sums, 16, V * 16, c.at, c.row, true);
    if (i < k) rows_of_tiles<kRest, V, 16, Pairs>(a.steps_from(i), b.from(i), k - i, 16, c, true);
  }

  template <int V>
  TPTT_INLINE static void all_rows(Left a, Rows<const float> b, int64_t k, int64_t rows,
                                   Rows<float> c, bool add) {
    int64_t r = 0;
    for (; r + 16 <= rows; r += 16) whole_rows<V>(a.rows_from(r), b, k, c.from(r), add);
    rows_of_tiles<kRest, V, 16, Pairs>(a.rows_from(r), b, k, rows - r, c.from(r), add);
  }
};

}  // namespace tptt::panel
