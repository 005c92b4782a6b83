#pragma once

#include <algorithm>
#include <cmath>

#include "models/kernels/gemm_panel.h"

// What the two directions of chunk_delta.cpp share: the problem, its memory, and small loops. A
// chunk's rows and numbers are padded with zeros to whole vectors.

namespace tptt::chunk {

constexpr int64_t kPadding = 16;

/// x [S, heads, rows, D] in float32, numbers side by side.
struct View {
  float* at;
  int64_t by_sequence, by_head, by_row;
};

/// Letters as in liza/chunks.h. Chunk i of group g of sequence s is (s * G + g) * chunks + i.
struct Problem {
  int64_t S, H, G, R, L, D, order, C, M, chunks;
  int64_t width, rows;  // D and M in whole vectors
  View q, k, v, beta;
  const float* log_alpha;  // [S, G, L * order] or null
  const float* state;      // [S, G, D, D] or null: zeros
  View o;                  // [S, H, L, D]
  float* final_state;      // or null
  // Of each chunk: summed log decay [rows]; -A [rows, rows]; U0, -W and U [rows, width] (u0 may be
  // u); the state at its start [width, width].
  float *c, *n, *u0, *wn, *u, *starts;
};

/// A chunk: whether there is a state before it, tokens and virtual tokens that it has.
struct Place {
  int64_t sequence, group, index, first, tokens;
  bool past, last;
};

TPTT_INLINE Place place_of(const Problem& p, int64_t i) {
  const int64_t index = i % p.chunks, row = i / p.chunks, first = index * p.C;
  return {row / p.G,
          row % p.G,
          index,
          first,
          std::min(p.C, p.L - first),
          index > 0 || p.state != nullptr,
          index + 1 == p.chunks};
}

// Working memory in pieces of which each holds any matrix of a chunk.
struct Pieces {
  float* scratch;
  int64_t size;
  TPTT_INLINE float* operator()(int64_t index) const { return scratch + index * size; }
};

TPTT_INLINE Pieces pieces_of(const Problem& p, float* scratch) {
  const int64_t side = std::max(p.rows, p.width);
  return {scratch, side * side};
}

template <class T>
TPTT_INLINE T* of_chunk(T* all, int64_t i, int64_t rows, int64_t columns) {
  return all + i * rows * columns;
}

// Rows first .. first + count of a head as [rows, width], zeros past them.
TPTT_INLINE void load_rows(const Problem& p, const View& x, int64_t sequence, int64_t head,
                           int64_t first, int64_t count, float* to) {
  const float* from = x.at + sequence * x.by_sequence + head * x.by_head + first * x.by_row;
  for (int64_t t = 0; t < count; ++t, to += p.width) {
    std::copy_n(from + t * x.by_row, p.D, to);
    std::fill(to + p.D, to + p.width, 0.0F);
  }
  std::fill(to, to + (p.rows - count) * p.width, 0.0F);
}

TPTT_INLINE void store_rows(const Problem& p, const View& x, int64_t sequence, int64_t head,
                            int64_t first, int64_t count, const float* from) {
  float* to = x.at + sequence * x.by_sequence + head * x.by_head + first * x.by_row;
  for (int64_t t = 0; t < count; ++t) std::copy_n(from + t * p.width, p.D, to + t * x.by_row);
}

// The chunk's rows of a [S, G, L * order, D].
TPTT_INLINE void load_tokens(const Problem& p, const View& x, const Place& at, float* to) {
  load_rows(p, x, at.sequence, at.group, at.first * p.order, at.tokens * p.order, to);
}

TPTT_INLINE void store_tokens(const Problem& p, const View& x, const Place& at, const float* from) {
  store_rows(p, x, at.sequence, at.group, at.first * p.order, at.tokens * p.order, from);
}

TPTT_INLINE void multiply(float* x, const float* by, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) x[i] *= by[i];
}

// to += scale * from.
TPTT_INLINE void add(float* to, const float* from, float scale, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] += scale * from[i];
}

TPTT_INLINE void scale(float* x, float by, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) x[i] *= by;
}

// k and kb = beta * k of a chunk.
TPTT_INLINE void load_keys(const Problem& p, const Place& at, float* k, float* kb) {
  load_tokens(p, p.k, at, k);
  load_tokens(p, p.beta, at, kb);
  multiply(kb, k, p.rows * p.width);
}

// to [columns, rows] = from [rows, columns]; both multiples of W.
template <int W>
TPTT_INLINE void transpose(const float* from, int64_t rows, int64_t columns, float* to) {
  for (int64_t i = 0; i < rows; i += W)
    for (int64_t j = 0; j < columns; j += W)
      panel::transpose<W>(from + i * columns + j, columns, to + j * rows + i, rows);
}

// Row of a [count] matrix of decays exp(from - c_i), or ones without decay, onto x; zeros from
// `seen` on.
TPTT_INLINE void mask_row(const Problem& p, const float* c, float from, int64_t seen, float* x) {
  if (p.log_alpha) {
#pragma omp simd
    for (int64_t i = 0; i < seen; ++i) x[i] *= exp_simd(from - c[i]);
  }
  std::fill(x + seen, x + p.rows, 0.0F);
}

// Decay from virtual token t to the chunk's end, and of the whole chunk.
TPTT_INLINE float tail_of(const Problem& p, const float* c, int64_t t) {
  return p.log_alpha ? std::exp(c[p.M - 1] - c[t]) : 1.0F;
}

TPTT_INLINE float total_of(const Problem& p, const float* c) {
  return p.log_alpha ? std::exp(c[p.M - 1]) : 1.0F;
}

TPTT_INLINE float since_start(const Problem& p, const float* c, int64_t t) {
  return p.log_alpha ? std::exp(c[t]) : 1.0F;
}

// kb times the decay until the chunk's end.
TPTT_INLINE void scale_by_tail(const Problem& p, const float* c, float* kb) {
  for (int64_t t = 0; t < p.M && p.log_alpha; ++t)
    scale(kb + t * p.width, tail_of(p, c, t), p.width);
}

// The virtual token after which token t reads.
TPTT_INLINE int64_t read_of(const Problem& p, int64_t t) {
  return t * p.order + p.order - 1;
}

}  // namespace tptt::chunk
