#pragma once

#include <algorithm>
#include <vector>

#include "models/kernels/attention_scores.h"
#include "models/kernels/gemm_panel.h"

// Softmax attention of one head in tiles of queries and keys: products by gemm_panel.h, R rows at a
// time, between which a row's scores stay in the first cache. Keys that a tile of R rows does not
// see are left out. Sums are float32 and so are factors, widths padded with zeros to whole vectors;
// or factors are bfloat16 in pairs (panel::Pairs, Tiles), weights and their gradients rounded to
// them.

namespace tptt::head {

constexpr int64_t kQueries = 96, kKeys = 192;  // of a tile: multiples of rows and of panels
constexpr int64_t kPadding = 16;               // widths are multiples of it
constexpr int64_t kMostRows = 16;              // at a time

// Rows of numbers side by side, `stride` apart.
template <class T>
struct Strided {
  T* at;
  int64_t stride;
  TPTT_INLINE T* row(int64_t i) const { return at + i * stride; }
  TPTT_INLINE Strided from(int64_t i) const { return {row(i), stride}; }
};

template <class T>
struct Inputs {
  Strided<const T> q, k, v;  // [L, D], [T, D], [T, Dv]
  int64_t length, before;    // L, and T - L: keys before the first query's own (the forward only)
  int64_t width, value_width;
  int64_t window, sinks;
  float scaling, cap;
};

struct Tile {
  int64_t begin, count, first, size;  // queries from position begin on, keys from first on
};

// The tiles of keys that the queries at begin .. begin + count see; they begin with a panel.
template <class T>
std::vector<Tile> tiles_of(const Inputs<T>& in, int64_t begin, int64_t count, int64_t panel) {
  const int64_t end = begin + count;
  int64_t first = in.window > 0 ? std::max<int64_t>(0, begin - in.window + 1) / panel * panel : 0;
  if (first <= in.sinks) first = 0;
  std::vector<Tile> tiles;
  for (int64_t sink = 0; first > 0 && sink < in.sinks; sink += kKeys)
    tiles.push_back({begin, count, sink, std::min(kKeys, in.sinks - sink)});
  for (; first < end; first += kKeys)
    tiles.push_back({begin, count, first, std::min(kKeys, end - first)});
  return tiles;
}

// How many of a tile's keys any of the rows r .. r + rows sees.
TPTT_INLINE int64_t seen_keys(const Tile& t, int64_t r, int64_t rows) {
  return std::clamp<int64_t>(t.begin + r + rows - t.first, 0, t.size);
}

template <class T>
TPTT_INLINE scores::Row row_of(const Inputs<T>& in, const Tile& t, int64_t r, int64_t size) {
  return {size, t.begin + r, t.first, in.window, in.sinks, in.scaling, in.cap};
}

// [count, padded width] in float32.
template <class T>
TPTT_INLINE void widen(Strided<const T> from, int64_t count, int64_t width, float* to) {
  const int64_t row = round_up(width, kPadding);
  for (int64_t i = 0; i < count; ++i) {
    const T* x = from.row(i);
    float* y = to + i * row;
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) y[j] = load(x, j);
    for (int64_t j = width; j < row; ++j) y[j] = 0;
  }
}

template <class T>
TPTT_INLINE Strided<const float> in_pairs(Strided<const T> x) {
  return {reinterpret_cast<const float*>(x.at), x.stride / 2};
}

// Rows as the right factor of a product along them: [count / kPer, padded width].
template <int W, class Numbers, class T>
TPTT_INLINE void spread(Strided<const T> from, int64_t count, int64_t width, float* to) {
  if constexpr (Numbers::kPer == 2) {
    panel::zip_rows<W>(from.at, from.stride, count, width, to, round_up(width, kPadding));
  } else {
    widen(from, count, width, to);
  }
}

// Rows as a product's left factor: pairs as they lie, floats at `memory`.
template <class Numbers, class T>
TPTT_INLINE panel::Left left_of(Strided<const T> from, int64_t count, int64_t width,
                                float* memory) {
  if constexpr (Numbers::kPer == 2) {
    const Strided<const float> pairs = in_pairs(from);
    return {pairs.at, pairs.stride, 1};
  } else {
    widen(from, count, width, memory);
    return {memory, round_up(width, kPadding), 1};
  }
}

// Rows as the left factor, and as the right one of a product along them.
struct Block {
  panel::Left left;
  const float* right;
};

template <int W, class Numbers, class T>
TPTT_INLINE Block block_of(Strided<const T> from, int64_t count, int64_t width, float* memory) {
  if constexpr (Numbers::kPer == 2) spread<W, Numbers>(from, count, width, memory);
  return {left_of<Numbers>(from, count, width, memory), memory};
}

// [L, width] as panels [width / kPer, V * W] of rows: the right factor of a product with its
// transposed.
template <int V, int W, class T>
TPTT_INLINE void turn_rows(Strided<const T> from, int64_t length, int64_t width, float* to) {
  constexpr int64_t kPanel = V * W;
  for (int64_t i = 0; i < length; i += kPanel)
    panel::pack_transposed<V, W>(from.row(i), from.stride, width, std::min(kPanel, length - i),
                                 to + i * width);
}

template <int V, int W, class Numbers, class T>
TPTT_INLINE void turn(Strided<const T> from, int64_t length, int64_t width, float* to) {
  if constexpr (Numbers::kPer == 2) {
    turn_rows<V, W>(in_pairs(from), length, width / 2, to);
  } else {
    turn_rows<V, W>(from, length, width, to);
  }
}

// c [rows, keys] = a [rows, depth] times the keys from `first` on; whole panels of them.
template <int R, int V, int W, class Numbers>
TPTT_INLINE void times_keys(panel::Left a, int64_t rows, const float* turned, int64_t depth,
                            int64_t first, int64_t keys, float* c) {
  constexpr int64_t kPanel = V * W;
  for (int64_t i = 0; i < keys; i += kPanel)
    panel::rows_of_tiles<R, V, W, Numbers>(a, {turned + (first + i) * depth, kPanel}, depth, rows,
                                           {c + i, kKeys}, false);
}

// c [rows, width] += x [rows, seen keys] times y, the keys from `first` on. In pairs x is rounded,
// at `narrowed`.
template <int R, int V, int W, class Numbers>
TPTT_INLINE void times_values(float* x, float* narrowed, int64_t rows, const float* y,
                              int64_t first, int64_t seen, int64_t width, float* c) {
  constexpr int64_t kIn = Numbers::kPer;
  if constexpr (kIn == 2) {
    for (int64_t i = 0; i < rows; ++i) scores::narrow<W>(x + i * kKeys, seen, narrowed + i * kKeys);
    x = narrowed;
  }
  panel::product<R, V, W, Numbers>({x, kKeys, 1}, {y + first / kIn * width, width},
                                   (seen + kIn - 1) / kIn, rows, width, {c, width}, true);
}

// Floats that forward() and backward() take as working memory.
template <class T>
int64_t forward_scratch(const Inputs<T>& in) {
  const int64_t keys = round_up(in.before + in.length, kKeys);
  const int64_t values = round_up(in.value_width, kPadding);
  return keys * (in.width + values) + kQueries * (round_up(in.width, kPadding) + values + 2) +
         kMostRows * kKeys;
}

// o [L, Dv] and lse [L], the log of each row's sum of exponentials.
template <int R, int V, int W, class Numbers, class T>
TPTT_INLINE void forward(const Inputs<T>& in, Strided<T> o, float* lse, float* scratch) {
  const int64_t width = round_up(in.width, kPadding), values = round_up(in.value_width, kPadding);
  const int64_t num_keys = in.before + in.length, keys = round_up(num_keys, kKeys);
  float* kt = scratch;
  float* v = kt + keys * in.width;
  float* query_memory = v + keys * values;
  float* gathered = query_memory + kQueries * width;
  auto* running = reinterpret_cast<scores::Running*>(gathered + kQueries * values);
  float* x = gathered + kQueries * (values + 2);
  turn<V, W, Numbers>(in.k, num_keys, in.width, kt);
  spread<W, Numbers>(in.v, num_keys, in.value_width, v);
  for (int64_t begin = 0; begin < in.length; begin += kQueries) {
    const int64_t count = std::min(kQueries, in.length - begin);
    const panel::Left q = left_of<Numbers>(in.q.from(begin), count, in.width, query_memory);
    std::fill(gathered, gathered + count * values, 0.0F);
    std::fill(running, running + count, scores::Running{scores::kLeast, 0});
    for (const Tile& t : tiles_of(in, in.before + begin, count, V * W)) {
      for (int64_t r = 0; r < count; r += R) {
        const int64_t rows = std::min<int64_t>(R, count - r), seen = seen_keys(t, r, rows);
        times_keys<R, V, W, Numbers>(q.rows_from(r), rows, kt, in.width / Numbers::kPer, t.first,
                                     seen, x);
        for (int64_t i = 0; i < rows; ++i)
          running[r + i] = scores::softmax<W>(x + i * kKeys, row_of(in, t, r + i, seen),
                                              running[r + i], gathered + (r + i) * values, values);
        times_values<R, V, W, Numbers>(x, x, rows, v, t.first, seen, values, gathered + r * values);
      }
    }
    for (int64_t r = 0; r < count; ++r) {
      const float scale = 1 / running[r].sum;
      for (int64_t j = 0; j < in.value_width; ++j)
        store(o.row(begin + r), j, gathered[r * values + j] * scale);
      lse[begin + r] = running[r].top + std::log(running[r].sum);
    }
  }
}

// The gradient by o, what the forward gave, and where the gradients go: q's is written, k's and v's
// are [L, padded width] in float32, zero at first.
template <class T>
struct Gradients {
  Strided<const T> g, o;
  const float* lse;
  Strided<T> q;
  float *k, *v;
};

template <class T>
int64_t backward_scratch(const Inputs<T>& in) {
  const int64_t keys = round_up(in.length, kKeys), width = round_up(in.width, kPadding);
  return keys * (in.width + in.value_width + width) +
         kQueries * (2 * width + round_up(in.value_width, kPadding) + 2 * kKeys + 1) +
         kMostRows * kKeys;
}

// What a tile's backward works on: keys and values as panels, keys as rows; of the block of
// queries q, g and delta; weights and their gradients of the whole tile.
struct TileMemory {
  float *kt, *vt, *k, *dq, *delta, *p, *dp, *narrowed;
  Block q, g;
};

// Rows r .. r + rows of a tile: their weights, their scores' gradients, and q's.
template <int R, int V, int W, class Numbers, class T>
TPTT_INLINE void rows_backward(const Inputs<T>& in, const Tile& t, const TileMemory& m,
                               const float* lse, int64_t r) {
  constexpr int64_t kIn = Numbers::kPer;
  const int64_t rows = std::min<int64_t>(R, t.count - r), seen = seen_keys(t, r, rows);
  const int64_t written = std::min(t.size, seen + R), width = round_up(in.width, kPadding);
  float *p = m.p + r * kKeys, *dp = m.dp + r * kKeys;
  times_keys<R, V, W, Numbers>(m.q.left.rows_from(r), rows, m.kt, in.width / kIn, t.first, seen, p);
  times_keys<R, V, W, Numbers>(m.g.left.rows_from(r), rows, m.vt, in.value_width / kIn, t.first,
                               seen, dp);
  for (int64_t i = 0; i < rows; ++i) {
    float *pi = p + i * kKeys, *dpi = dp + i * kKeys;
    scores::gradient<W>(pi, dpi, row_of(in, t, r + i, seen), lse[t.begin + r + i], m.delta[r + i]);
    for (int64_t j = seen; j < written; ++j) pi[j] = dpi[j] = 0;
  }
  times_values<R, V, W, Numbers>(dp, m.narrowed, rows, m.k, t.first, seen, width, m.dq + r * width);
  if constexpr (kIn == 1) return;
  for (float* x : {p, dp}) {
    if (rows % 2) std::fill(x + rows * kKeys, x + rows * kKeys + round_up(written, W), 0.0F);
    for (int64_t i = 0; i < rows; i += 2)
      scores::zip<W>(x + i * kKeys, x + (i + 1) * kKeys, written);
  }
}

// to [keys, width] += x [queries, keys]^T y [queries, width], of a tile's weights or gradients.
template <int R, int V, int W, class Numbers>
TPTT_INLINE void add_seen(const float* x, const float* y, int64_t queries, int64_t keys,
                          int64_t width, float* to) {
  constexpr int64_t kIn = Numbers::kPer;
  panel::product<R, V, W, Numbers>({x, 1, kIn * kKeys}, {y, width}, (queries + kIn - 1) / kIn, keys,
                                   width, {to, width}, true);
}

template <int R, int V, int W, class Numbers, class T>
TPTT_INLINE void tile_backward(const Inputs<T>& in, const Tile& t, const TileMemory& m,
                               const Gradients<T>& grads) {
  constexpr int64_t kIn = Numbers::kPer;
  static_assert(R <= kMostRows);
  static_assert(R % kIn == 0 && kQueries % R == 0);  // pairs begin with tiles
  const int64_t width = round_up(in.width, kPadding), values = round_up(in.value_width, kPadding);
  for (int64_t r = 0; r < t.count; r += R) rows_backward<R, V, W, Numbers>(in, t, m, grads.lse, r);
  for (int64_t j = 0; j < t.size; j += R) {
    const int64_t keys = std::min<int64_t>(R, t.size - j);
    const int64_t from = std::clamp<int64_t>(t.first + j - t.begin, 0, t.count);  // who sees j
    const int64_t at = from * kKeys + j;
    add_seen<R, V, W, Numbers>(m.p + at, m.g.right + from / kIn * values, t.count - from, keys,
                               values, grads.v + (t.first + j) * values);
    add_seen<R, V, W, Numbers>(m.dp + at, m.q.right + from / kIn * width, t.count - from, keys,
                               width, grads.k + (t.first + j) * width);
  }
}

template <int R, int V, int W, class Numbers, class T>
TPTT_INLINE void backward(const Inputs<T>& in, const Gradients<T>& grads, float* scratch) {
  const int64_t width = round_up(in.width, kPadding), keys = round_up(in.length, kKeys);
  TileMemory m;
  m.kt = scratch;
  m.vt = m.kt + keys * in.width;
  m.k = m.vt + keys * in.value_width;
  m.dq = m.k + keys * width;
  m.p = m.dq + kQueries * width;
  m.dp = m.p + kQueries * kKeys;
  m.narrowed = m.dp + kQueries * kKeys;
  m.delta = m.narrowed + kMostRows * kKeys;
  float* query_memory = m.delta + kQueries;
  float* gradient_memory = query_memory + kQueries * width;
  turn<V, W, Numbers>(in.k, in.length, in.width, m.kt);
  turn<V, W, Numbers>(in.v, in.length, in.value_width, m.vt);
  spread<W, Numbers>(in.k, in.length, in.width, m.k);
  for (int64_t begin = 0; begin < in.length; begin += kQueries) {
    const int64_t count = std::min(kQueries, in.length - begin);
    m.q = block_of<W, Numbers>(in.q.from(begin), count, in.width, query_memory);
    m.g = block_of<W, Numbers>(grads.g.from(begin), count, in.value_width, gradient_memory);
    std::fill(m.dq, m.dq + count * width, 0.0F);
    for (int64_t r = 0; r < count; ++r)
      m.delta[r] = dot_simd(grads.g.row(begin + r), grads.o.row(begin + r), in.value_width);
    for (const Tile& t : tiles_of(in, begin, count, V * W))
      tile_backward<R, V, W, Numbers>(in, t, m, grads);
    for (int64_t r = 0; r < count; ++r)
      for (int64_t j = 0; j < in.width; ++j) store(grads.q.row(begin + r), j, m.dq[r * width + j]);
  }
}

}  // namespace tptt::head
