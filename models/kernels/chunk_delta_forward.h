#pragma once

#include "models/kernels/chunk_delta_parts.h"

// The forward of the chunk-parallel delta rule (docs/liza.md), in three steps: what a chunk gives
// by itself, the states one chunk after the other, the reads.

namespace tptt::chunk {

constexpr int64_t kForwardPieces = 4;

// x = (I + A)^-1 x for x [M, width], n = -A [M, rows] strictly lower.
template <int R, int V, int W>
TPTT_INLINE void solve_lower(const Problem& p, const float* n, float* x) {
  for (int64_t first = 0; first < p.M; first += R) {
    const int64_t count = std::min<int64_t>(R, p.M - first);
    float* block = x + first * p.width;
    panel::product<R, V, W>({n + first * p.rows, p.rows, 1}, {x, p.width}, first, count, p.width,
                            {block, p.width}, true);
    for (int64_t t = 1; t < count; ++t)
      for (int64_t j = 0; j < t; ++j)
        add(block + t * p.width, block + j * p.width, n[(first + t) * p.rows + first + j], p.width);
  }
}

TPTT_INLINE void sum_decay(const Problem& p, const Place& at, float* c) {
  const int64_t length = p.L * p.order, first = at.first * p.order;
  const float* from = p.log_alpha + (at.sequence * p.G + at.group) * length + first;
  float sum = 0;
  for (int64_t t = 0; t < p.M; ++t) {
    if (t < at.tokens * p.order) sum += from[t];
    c[t] = sum;
  }
}

/// -A, U0 and -W of chunk i.
template <int R, int V, int W>
TPTT_INLINE void prepare(const Problem& p, int64_t i, float* scratch) {
  const Place at = place_of(p, i);
  const Pieces piece = pieces_of(p, scratch);
  float *k = piece(0), *kb = piece(1), *turned = piece(2);
  float *c = of_chunk(p.c, i, p.rows, 1), *n = of_chunk(p.n, i, p.rows, p.rows);
  load_keys(p, at, k, kb);
  transpose<W>(kb, p.rows, p.width, turned);
  if (p.log_alpha) sum_decay(p, at, c);
  for (int64_t first = 0; first < p.M; first += R) {
    const int64_t count = std::min<int64_t>(R, p.M - first);
    panel::product<R, V, W>({k + first * p.width, p.width, 1}, {turned, p.rows}, p.width, count,
                            round_up(first + count, W), {n + first * p.rows, p.rows}, false);
    for (int64_t t = first; t < first + count; ++t) {
      mask_row(p, c, p.log_alpha ? c[t] : 0, t, n + t * p.rows);
      scale(n + t * p.rows, -1, t);
    }
  }
  float* u0 = of_chunk(p.u0, i, p.rows, p.width);
  load_tokens(p, p.v, at, u0);
  solve_lower<R, V, W>(p, n, u0);
  if (!at.past) return;
  float* wn = of_chunk(p.wn, i, p.rows, p.width);
  for (int64_t t = 0; t < p.rows; ++t) {
    std::copy_n(k + t * p.width, p.width, wn + t * p.width);
    scale(wn + t * p.width, t < p.M ? -since_start(p, c, t) : 0, p.width);
  }
  solve_lower<R, V, W>(p, n, wn);
}

// [D, D] and its padded form.
TPTT_INLINE void load_state(const Problem& p, const float* from, float* to) {
  std::fill(to, to + p.width * p.width, 0.0F);
  for (int64_t d = 0; d < p.D && from; ++d) std::copy_n(from + d * p.D, p.D, to + d * p.width);
}

TPTT_INLINE void store_state(const Problem& p, const float* from, float* to) {
  for (int64_t d = 0; d < p.D; ++d) std::copy_n(from + d * p.width, p.D, to + d * p.D);
}

/// U and the states of all chunks of a sequence's group.
template <int R, int V, int W>
TPTT_INLINE void scan(const Problem& p, int64_t row, float* scratch) {
  const int64_t square = p.width * p.width;
  const Pieces piece = pieces_of(p, scratch);
  float *k = piece(0), *kb = piece(1), *last = piece(2);
  load_state(p, p.state ? p.state + row * p.D * p.D : nullptr,
             of_chunk(p.starts, row * p.chunks, p.width, p.width));
  for (int64_t i = row * p.chunks; i < (row + 1) * p.chunks; ++i) {
    const Place at = place_of(p, i);
    const float *c = of_chunk(p.c, i, p.rows, 1), *s = of_chunk(p.starts, i, p.width, p.width);
    float *u0 = of_chunk(p.u0, i, p.rows, p.width), *u = of_chunk(p.u, i, p.rows, p.width);
    if (u != u0) std::copy_n(u0, p.rows * p.width, u);
    if (at.past)
      panel::product<R, V, W>({of_chunk(p.wn, i, p.rows, p.width), p.width, 1}, {s, p.width},
                              p.width, p.M, p.width, {u, p.width}, true);
    if (at.last && !p.final_state) return;
    float* next = at.last ? last : of_chunk(p.starts, i + 1, p.width, p.width);
    std::copy_n(s, square, next);
    if (p.log_alpha) scale(next, total_of(p, c), square);
    load_keys(p, at, k, kb);
    scale_by_tail(p, c, kb);
    panel::product<R, V, W>({kb, 1, p.width}, {u, p.width}, p.M, p.width, p.width, {next, p.width},
                            true);
    if (at.last) store_state(p, next, p.final_state + row * p.D * p.D);
  }
}

/// The outputs of a chunk's query heads.
template <int R, int V, int W>
TPTT_INLINE void read(const Problem& p, int64_t i, float* scratch) {
  const Place at = place_of(p, i);
  const Pieces piece = pieces_of(p, scratch);
  float *q = piece(0), *x = piece(1), *turned = piece(2);
  float* o = piece(3);
  const float *c = of_chunk(p.c, i, p.rows, 1), *u = of_chunk(p.u, i, p.rows, p.width);
  load_keys(p, at, q, x);
  transpose<W>(x, p.rows, p.width, turned);
  for (int64_t head = at.group * p.R; head < (at.group + 1) * p.R; ++head) {
    load_rows(p, p.q, at.sequence, head, at.first, at.tokens, q);
    if (at.past)
      panel::product<R, V, W>({q, p.width, 1}, {of_chunk(p.starts, i, p.width, p.width), p.width},
                              p.width, at.tokens, p.width, {o, p.width}, false);
    for (int64_t first = 0; first < at.tokens; first += R) {
      const int64_t count = std::min<int64_t>(R, at.tokens - first);
      const int64_t seen = read_of(p, first + count - 1) + 1;
      panel::product<R, V, W>({q + first * p.width, p.width, 1}, {turned, p.rows}, p.width, count,
                              round_up(seen, W), {x, p.rows}, false);
      for (int64_t t = 0; t < count; ++t) {
        const int64_t end = read_of(p, first + t);
        mask_row(p, c, p.log_alpha ? c[end] : 0, end + 1, x + t * p.rows);
        if (at.past && p.log_alpha)
          scale(o + (first + t) * p.width, since_start(p, c, end), p.width);
      }
      panel::product<R, V, W>({x, p.rows, 1}, {u, p.width}, seen, count, p.width,
                              {o + first * p.width, p.width}, at.past);
    }
    store_rows(p, p.o, at.sequence, head, at.first, at.tokens, o);
  }
}

}  // namespace tptt::chunk
