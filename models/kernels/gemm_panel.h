#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>

#include "models/kernels/vectors.h"

// The inner loops of products, for vectors of W floats: a panel of V vectors of columns, R rows at
// a time. Written without intrinsics; each instance is compiled for the machine that it is for.

namespace tptt::panel {

// A factor [rows, k] on the left: its numbers lie `row` and `step` apart.
struct Left {
  const float* at;
  int64_t row, step;
  TPTT_INLINE Left rows_from(int64_t r) const { return {at + r * row, row, step}; }
  TPTT_INLINE Left steps_from(int64_t i) const { return {at + i * step, row, step}; }
};

// On the right and the result: rows of columns side by side, `row` apart.
template <class Number>
struct Rows {
  Number* at;
  int64_t row;
  TPTT_INLINE Rows from(int64_t i) const { return {at + i * row, row}; }

  // A vector of sums from column j on becomes or, with `add`, is added to the result.
  template <int W>
  TPTT_INLINE void put(int64_t r, int64_t j, typename VectorOf<W>::type& sum, bool add) const {
    Number* to = at + r * row + j;
    typename VectorOf<W>::type before;
    if (add) {
      load_vector<W>(before, to);
      sum += before;
    }
    store_vector<W>(to, sum);
  }
};

// The result of a product in pieces, whose sums so far lie apart: with the last piece they are
// added to it.
template <class Number>
struct LastOfSums {
  Rows<const float> sums;
  Rows<Number> result;
  bool add;  // to what the result is
  TPTT_INLINE LastOfSums from(int64_t i) const { return {sums.from(i), result.from(i), add}; }

  template <int W>
  TPTT_INLINE void put(int64_t r, int64_t j, typename VectorOf<W>::type& sum, bool add_sums) const {
    typename VectorOf<W>::type before;
    if (add_sums) {
      load_vector<W>(before, sums.at + r * sums.row + j);
      sum += before;
    }
    result.template put<W>(r, j, sum, add);
  }
};

// What a tile does with a number of a and a vector of b. kPer: how many of the depth lie in a
// float.
struct Floats {
  static constexpr int kPer = 1;
  template <class Vector>
  TPTT_INLINE static void multiply(Vector& sum, float a, const Vector& row) {
    sum += a * row;
  }
};

// Each float stands for two bfloat16 of the depth: vectors of 16 on machines with AVX512-BF16. The
// instruction has a name in every compiler only as text.
struct Pairs {
  static constexpr int kPer = 2;
  template <class Vector>
  TPTT_INLINE static void multiply(Vector& sum, float a, const Vector& row) {
    const auto pair = typename VectorOf<16>::bits{} + std::bit_cast<uint32_t>(a);
    Vector next = sum;  // an operand by reference would keep all sums in memory
    asm("vdpbf16ps %2, %1, %0" : "+v"(next) : "v"(row), "v"(pair));
    sum = next;
  }
};

// c [R, V * W] = or += a [R, k] b [k, V * W]. The new sums begin at zero: a chain over all pieces
// of a long product would round away what comes last.
template <int R, int V, int W, class Numbers = Floats, class Result = Rows<float>>
TPTT_INLINE void tile(Left a, Rows<const float> b, int64_t k, const Result& c, bool add) {
  using Vector = typename VectorOf<W>::type;
  Vector sum[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sum[r][v] = Vector{};
  for (int64_t i = 0; i < k; ++i) {
    Vector row[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) load_vector<W>(row[v], b.at + i * b.row + v * W);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v)
        Numbers::multiply(sum[r][v], a.at[r * a.row + i * a.step], row[v]);
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) c.template put<W>(r, v * W, sum[r][v], add);
}

// The same for any number of rows; Numbers may have a way of their own (gemm_tiles.h).
template <int R, int V, int W, class Numbers = Floats, class Result = Rows<float>>
TPTT_INLINE void rows_of_tiles(Left a, Rows<const float> b, int64_t k, int64_t rows,
                               const Result& c, bool add) {
  if constexpr (requires { Numbers::template all_rows<V>(a, b, k, rows, c, add); }) {
    Numbers::template all_rows<V>(a, b, k, rows, c, add);
  } else {
    int64_t r = 0;
    for (; r + R <= rows; r += R) tile<R, V, W, Numbers>(a.rows_from(r), b, k, c.from(r), add);
    for (; r + 2 <= rows; r += 2) tile<2, V, W, Numbers>(a.rows_from(r), b, k, c.from(r), add);
    for (; r < rows; ++r) tile<1, V, W, Numbers>(a.rows_from(r), b, k, c.from(r), add);
  }
}

// The same for any number of columns that is a multiple of W.
template <int R, int V, int W, class Numbers = Floats>
TPTT_INLINE void product(Left a, Rows<const float> b, int64_t k, int64_t rows, int64_t columns,
                         Rows<float> c, bool add) {
  const auto right = [&](int64_t n) { return Rows<const float>{b.at + n, b.row}; };
  const auto to = [&](int64_t n) { return Rows<float>{c.at + n, c.row}; };
  int64_t n = 0;
  for (; n + V * W <= columns; n += V * W)
    rows_of_tiles<R, V, W, Numbers>(a, right(n), k, rows, to(n), add);
  for (; n < columns; n += W) rows_of_tiles<R, 1, W, Numbers>(a, right(n), k, rows, to(n), add);
}

template <int W, int Step, class Indices>
struct Exchange;
// Of two rows of a block, the halves of every 2 * Step numbers that change places.
template <int W, int Step, int... J>
struct Exchange<W, Step, std::integer_sequence<int, J...>> {
  using Vector = typename VectorOf<W>::type;
  TPTT_INLINE static void apply(Vector& a, Vector& b) {
    const Vector low = __builtin_shufflevector(a, b, ((J & Step) ? W + J - Step : J)...);
    b = __builtin_shufflevector(a, b, ((J & Step) ? W + J : J + Step)...);
    a = low;
  }
};

template <int W, int Step>
TPTT_INLINE void exchange(typename VectorOf<W>::type* rows) {
#pragma GCC unroll 16
  for (int i = 0; i < W; ++i)
    if (!(i & Step))
      Exchange<W, Step, std::make_integer_sequence<int, W>>::apply(rows[i], rows[i + Step]);
}

// to[i][j] = from[j][i] of a W x W block, of which the rows from Depth on are zero.
template <int W, int Depth = W, class T>
TPTT_INLINE void transpose(const T* from, int64_t from_stride, float* to, int64_t to_stride) {
  typename VectorOf<W>::type rows[W];
#pragma GCC unroll 16
  for (int i = 0; i < W; ++i) {
    rows[i] = typename VectorOf<W>::type{};
    if (i < Depth) load_vector<W>(rows[i], from + i * from_stride);
  }
  exchange<W, 1>(rows);
  exchange<W, 2>(rows);
  exchange<W, 4>(rows);
  if constexpr (W == 16) exchange<W, 8>(rows);
#pragma GCC unroll 16
  for (int i = 0; i < W; ++i) store_vector<W>(to + i * to_stride, rows[i]);
}

// k rows of `width` columns of b, its rows `stride` apart, as the panel [k, V * W]; the columns
// past the width are zero.
template <int V, int W, class T>
TPTT_INLINE void pack(const T* b, int64_t stride, int64_t k, int64_t width, float* panel) {
  constexpr int kWidth = V * W;
  for (int64_t i = 0; i < k; ++i) {
    float* to = panel + i * kWidth;
    if (width == kWidth) {
      typename VectorOf<W>::type row;
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        load_vector<W>(row, b + i * stride + v * W);
        store_vector<W>(to + v * W, row);
      }
    } else {
      for (int64_t j = 0; j < kWidth; ++j) to[j] = j < width ? load(b + i * stride, j) : 0.0F;
    }
  }
}

// The same of b's transposed: b [width, k].
template <int V, int W, class T>
TPTT_INLINE void pack_transposed(const T* b, int64_t stride, int64_t k, int64_t width,
                                 float* panel) {
  constexpr int kWidth = V * W;
  const int64_t whole_k = k / W * W, whole_width = width / W * W;
  for (int64_t i = 0; i < whole_k; i += W)
    for (int64_t j = 0; j < whole_width; j += W)
      transpose<W>(b + j * stride + i, stride, panel + i * kWidth + j, kWidth);
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = i < whole_k ? whole_width : 0; j < kWidth; ++j)
      panel[i * kWidth + j] = j < width ? load(b + j * stride, i) : 0.0F;
}

template <int W, class Indices = std::make_integer_sequence<int, 2 * W>>
struct Zip;
template <int W, int... J>
struct Zip<W, std::integer_sequence<int, J...>> {
  using Half = typename VectorOf<W>::half;
  // to = first[0], second[0], first[1], ...
  TPTT_INLINE static void apply(float* to, const Half& first, const Half& second) {
    const auto pairs = __builtin_shufflevector(first, second, (J % 2 ? W + J / 2 : J / 2)...);
    std::memcpy(to, &pairs, sizeof pairs);
  }
};

// Rows [rows, width] of bfloat16 as pairs [rows / 2, columns], of a number of a row and one of the
// next; the columns past the width and a row past the last are zero.
template <int W>
TPTT_INLINE void zip_rows(const c10::BFloat16* b, int64_t stride, int64_t rows, int64_t width,
                          float* to, int64_t columns) {
  using Half = typename Zip<W>::Half;
  const int64_t whole = width / W * W;
  for (int64_t i = 0; i < rows; i += 2, to += columns) {
    const c10::BFloat16 *row = b + i * stride, *next = row + stride;
    const bool paired = i + 1 < rows;
    for (int64_t j = 0; paired && j < whole; j += W) {
      Half first, second;
      std::memcpy(&first, row + j, sizeof first);
      std::memcpy(&second, next + j, sizeof second);
      Zip<W>::apply(to + j, first, second);
    }
    for (int64_t j = paired ? whole : 0; j < columns; ++j) {
      const uint32_t low = j < width ? row[j].x : 0, high = j < width && paired ? next[j].x : 0;
      to[j] = std::bit_cast<float>(low | high << 16);
    }
  }
}

// A panel's rows [rows, V * W] to c, of which they are `width` columns.
template <int V, int W, class T>
TPTT_INLINE void unpack(const float* panel, int64_t rows, int64_t width, T* c, int64_t stride,
                        bool add) {
  constexpr int kWidth = V * W;
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = panel + r * kWidth;
    T* to = c + r * stride;
    int64_t j = 0;
    for (; j + W <= width; j += W) {
      typename VectorOf<W>::type value, before;
      load_vector<W>(value, from + j);
      if (add) {
        load_vector<W>(before, to + j);
        value += before;
      }
      store_vector<W>(to + j, value);
    }
    for (; j < width; ++j) store(to, j, from[j] + (add ? load(to, j) : 0.0F));
  }
}

}  // namespace tptt::panel
