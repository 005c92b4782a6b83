#pragma once

#include "models/kernels/chunk_delta_forward.h"

// Its backward, in three steps again: what the reads of a chunk give, the states' gradients from
// the last chunk on, the rest of a chunk.

namespace tptt::chunk {

constexpr int64_t kBackwardPieces = 12;

struct Backward : Problem {
  View g;                   // [S, H, L, D], o's gradient
  const float* grad_final;  // [S, G, D, D] or null
  // Of each chunk: the gradients of U, later of V, and of kb [rows, width]; of the state at its
  // start by the reads, later of the state at its end [width, width]; of c [rows].
  float *gu, *gkb, *states, *gc;
  View gq, gk, gv, gbeta;
  float *glog_alpha, *grad_state;  // or null
};

// Whether the state at a chunk's end has a gradient.
TPTT_INLINE bool is_kept(const Backward& p, const Place& at) {
  return !at.last || p.grad_final;
}

// The gradients by a query head's reads within the chunk: pr and dp are the masked scores and their
// gradient [tokens, rows], zero where nothing is seen.
template <int R, int V, int W>
TPTT_INLINE void scores_backward(const Backward& p, int64_t i, const float* q, const float* g,
                                 const float* kb_turned, const float* u_turned, const float* kb,
                                 float* pr, float* dp, float* gq) {
  const Place at = place_of(p, i);
  const float* c = of_chunk(p.c, i, p.rows, 1);
  float* gc = of_chunk(p.gc, i, p.rows, 1);
  for (int64_t first = 0; first < at.tokens; first += R) {
    const int64_t count = std::min<int64_t>(R, at.tokens - first);
    const int64_t seen = read_of(p, first + count - 1) + 1, whole = round_up(seen, W);
    float *x = pr + first * p.rows, *dx = dp + first * p.rows;
    panel::product<R, V, W>({q + first * p.width, p.width, 1}, {kb_turned, p.rows}, p.width, count,
                            whole, {x, p.rows}, false);
    panel::product<R, V, W>({g + first * p.width, p.width, 1}, {u_turned, p.rows}, p.width, count,
                            whole, {dx, p.rows}, false);
    for (int64_t t = 0; t < count; ++t, x += p.rows, dx += p.rows) {
      const int64_t end = read_of(p, first + t);
      mask_row(p, c, p.log_alpha ? c[end] : 0, end + 1, x);
      for (int64_t j = 0; j <= end && p.log_alpha; ++j) {
        gc[j] -= x[j] * dx[j];
        gc[end] += x[j] * dx[j];
      }
      mask_row(p, c, p.log_alpha ? c[end] : 0, end + 1, dx);
    }
    panel::product<R, V, W>({dp + first * p.rows, p.rows, 1}, {kb, p.width}, seen, count, p.width,
                            {gq + first * p.width, p.width}, false);
  }
}

// to [M, width] += x^T y for x [tokens, rows] whose token t sees the virtual tokens up to its own.
template <int R, int V, int W>
TPTT_INLINE void add_seen(const Problem& p, const float* x, const float* y, int64_t tokens,
                          float* to) {
  for (int64_t j = 0; j < std::min(p.M, tokens * p.order); j += R) {
    const int64_t count = std::min<int64_t>(R, p.M - j), from = j / p.order;
    panel::product<R, V, W>({x + from * p.rows + j, 1, p.rows}, {y + from * p.width, p.width},
                            tokens - from, count, p.width, {to + j * p.width, p.width}, true);
  }
}

// The reads of the state at the chunk's start.
template <int R, int V, int W>
TPTT_INLINE void past_backward(const Backward& p, int64_t i, const float* q, float* g,
                               const float* s_turned, float* part, float* gq) {
  const Place at = place_of(p, i);
  const float* c = of_chunk(p.c, i, p.rows, 1);
  float* gc = of_chunk(p.gc, i, p.rows, 1);
  for (int64_t t = 0; t < at.tokens && p.log_alpha; ++t)
    scale(g + t * p.width, since_start(p, c, read_of(p, t)), p.width);
  panel::product<R, V, W>({g, p.width, 1}, {s_turned, p.width}, p.width, at.tokens, p.width,
                          {part, p.width}, false);
  for (int64_t t = 0; t < at.tokens && p.log_alpha; ++t)
    gc[read_of(p, t)] += dot_simd(part + t * p.width, q + t * p.width, p.width);
  add(gq, part, 1, at.tokens * p.width);
  panel::product<R, V, W>({q, 1, p.width}, {g, p.width}, at.tokens, p.width, p.width,
                          {of_chunk(p.states, i, p.width, p.width), p.width}, true);
}

template <int R, int V, int W>
TPTT_INLINE void reads_backward(const Backward& p, int64_t i, float* scratch) {
  const Place at = place_of(p, i);
  const Pieces piece = pieces_of(p, scratch);
  float *q = piece(0), *kb = piece(1), *kb_turned = piece(2), *u_turned = piece(3);
  float *s_turned = piece(4), *g = piece(5), *pr = piece(6), *dp = piece(7);
  float *gq = piece(8), *part = piece(9);
  float *gu = of_chunk(p.gu, i, p.rows, p.width), *gkb = of_chunk(p.gkb, i, p.rows, p.width);
  load_keys(p, at, q, kb);
  transpose<W>(kb, p.rows, p.width, kb_turned);
  transpose<W>(of_chunk(p.u, i, p.rows, p.width), p.rows, p.width, u_turned);
  if (at.past) transpose<W>(of_chunk(p.starts, i, p.width, p.width), p.width, p.width, s_turned);
  std::fill_n(gu, p.rows * p.width, 0.0F);
  std::fill_n(gkb, p.rows * p.width, 0.0F);
  std::fill_n(of_chunk(p.states, i, p.width, p.width), p.width * p.width, 0.0F);
  std::fill_n(of_chunk(p.gc, i, p.rows, 1), p.rows, 0.0F);
  for (int64_t head = at.group * p.R; head < (at.group + 1) * p.R; ++head) {
    load_rows(p, p.q, at.sequence, head, at.first, at.tokens, q);
    load_rows(p, p.g, at.sequence, head, at.first, at.tokens, g);
    scores_backward<R, V, W>(p, i, q, g, kb_turned, u_turned, kb, pr, dp, gq);
    add_seen<R, V, W>(p, pr, g, at.tokens, gu);
    add_seen<R, V, W>(p, dp, q, at.tokens, gkb);
    if (at.past) past_backward<R, V, W>(p, i, q, g, s_turned, part, gq);
    store_rows(p, p.gq, at.sequence, head, at.first, at.tokens, gq);
  }
}

/// The gradients of the states and of U, last chunk first.
template <int R, int V, int W>
TPTT_INLINE void scan_backward(const Backward& p, int64_t row, float* scratch) {
  const int64_t square = p.width * p.width;
  const Pieces piece = pieces_of(p, scratch);
  float *k = piece(0), *kb = piece(1), *grad = piece(2);
  float* read = piece(3);
  load_state(p, p.grad_final ? p.grad_final + row * p.D * p.D : nullptr, grad);
  for (int64_t i = (row + 1) * p.chunks - 1; i >= row * p.chunks; --i) {
    const Place at = place_of(p, i);
    const float* c = of_chunk(p.c, i, p.rows, 1);
    float *end = of_chunk(p.states, i, p.width, p.width), *gu = of_chunk(p.gu, i, p.rows, p.width);
    std::copy_n(end, square, read);
    std::copy_n(grad, square, end);
    if (is_kept(p, at)) {
      load_keys(p, at, k, kb);
      scale_by_tail(p, c, kb);
      panel::product<R, V, W>({kb, p.width, 1}, {grad, p.width}, p.width, p.M, p.width,
                              {gu, p.width}, true);
    }
    if (!at.past) return;
    if (p.log_alpha) scale(grad, total_of(p, c), square);
    add(grad, read, 1, square);
    panel::product<R, V, W>({of_chunk(p.wn, i, p.rows, p.width), 1, p.width}, {gu, p.width}, p.M,
                            p.width, p.width, {grad, p.width}, true);
  }
  if (p.grad_state) store_state(p, grad, p.grad_state + row * p.D * p.D);
}

// x = (I + A)^-T x for x [M, width].
template <int R, int V, int W>
TPTT_INLINE void solve_upper(const Problem& p, const float* n, float* x) {
  for (int64_t first = (p.M - 1) / R * R; first >= 0; first -= R) {
    const int64_t count = std::min<int64_t>(R, p.M - first), end = first + count;
    float* block = x + first * p.width;
    panel::product<R, V, W>({n + end * p.rows + first, 1, p.rows}, {x + end * p.width, p.width},
                            p.M - end, count, p.width, {block, p.width}, true);
    for (int64_t t = count - 2; t >= 0; --t)
      for (int64_t j = t + 1; j < count; ++j)
        add(block + t * p.width, block + j * p.width, n[(first + j) * p.rows + first + t], p.width);
  }
}

// a [M, rows], the gradient of k . kb: -(V's U0^T + W's -W^T) below the diagonal, times the decay.
template <int R, int V, int W>
TPTT_INLINE void keys_backward(const Backward& p, int64_t i, const float* gv, const float* gkd,
                               const float* u0_turned, const float* wn_turned, float* a) {
  const Place at = place_of(p, i);
  const float *c = of_chunk(p.c, i, p.rows, 1), *n = of_chunk(p.n, i, p.rows, p.rows);
  float* gc = of_chunk(p.gc, i, p.rows, 1);
  for (int64_t first = 0; first < p.M; first += R) {
    const int64_t count = std::min<int64_t>(R, p.M - first), whole = round_up(first + count, W);
    float* x = a + first * p.rows;
    panel::product<R, V, W>({gv + first * p.width, p.width, 1}, {u0_turned, p.rows}, p.width, count,
                            whole, {x, p.rows}, false);
    if (at.past)
      panel::product<R, V, W>({gkd + first * p.width, p.width, 1}, {wn_turned, p.rows}, p.width,
                              count, whole, {x, p.rows}, true);
    for (int64_t t = first; t < first + count; ++t, x += p.rows) {
      scale(x, -1, t);
      for (int64_t j = 0; j < t && p.log_alpha; ++j) {
        gc[t] -= n[t * p.rows + j] * x[j];
        gc[j] += n[t * p.rows + j] * x[j];
      }
      mask_row(p, c, p.log_alpha ? c[t] : 0, t, x);
    }
  }
}

// What the state at the chunk's end gives kb, and the decay.
template <int R, int V, int W>
TPTT_INLINE void write_backward(const Backward& p, int64_t i, const float* kb, float* end_turned,
                                float* part, float* gkb) {
  const float *c = of_chunk(p.c, i, p.rows, 1), *end = of_chunk(p.states, i, p.width, p.width);
  float* gc = of_chunk(p.gc, i, p.rows, 1);
  transpose<W>(end, p.width, p.width, end_turned);
  panel::product<R, V, W>({of_chunk(p.u, i, p.rows, p.width), p.width, 1}, {end_turned, p.width},
                          p.width, p.M, p.width, {part, p.width}, false);
  float written = 0;
  for (int64_t t = 0; t < p.M; ++t) {
    const float tail = tail_of(p, c, t);
    add(gkb + t * p.width, part + t * p.width, tail, p.width);
    if (!p.log_alpha) continue;
    const float by_tail = dot_simd(part + t * p.width, kb + t * p.width, p.width) * tail;
    gc[t] -= by_tail;
    written += by_tail;
  }
  if (p.log_alpha)
    gc[p.M - 1] += written + total_of(p, c) * dot_simd(end, of_chunk(p.starts, i, p.width, p.width),
                                                       p.width * p.width);
}

// Of c_t, the sum of log decays until t.
TPTT_INLINE void decay_backward(const Backward& p, const Place& at, const float* gc) {
  const int64_t length = p.L * p.order, first = at.first * p.order;
  float* to = p.glog_alpha + (at.sequence * p.G + at.group) * length + first;
  float sum = 0;
  for (int64_t t = p.M - 1; t >= 0; --t) {
    sum += gc[t];
    if (t < at.tokens * p.order) to[t] = sum;
  }
}

/// The gradients of a chunk's keys, values and gates.
template <int R, int V, int W>
TPTT_INLINE void finish_backward(const Backward& p, int64_t i, float* scratch) {
  const Place at = place_of(p, i);
  const Pieces piece = pieces_of(p, scratch);
  float *k = piece(0), *kb = piece(1), *gkd = piece(2), *u0_turned = piece(3);
  float *wn_turned = piece(4), *a = piece(5), *gk = piece(6), *part = piece(7);
  float *turned = piece(8), *beta = piece(9);
  const float *n = of_chunk(p.n, i, p.rows, p.rows), *c = of_chunk(p.c, i, p.rows, 1);
  float *gv = of_chunk(p.gu, i, p.rows, p.width), *gkb = of_chunk(p.gkb, i, p.rows, p.width);
  float* gc = of_chunk(p.gc, i, p.rows, 1);
  load_keys(p, at, k, kb);
  transpose<W>(of_chunk(p.u0, i, p.rows, p.width), p.rows, p.width, u0_turned);
  if (at.past) {  // gkd: minus the gradient of k exp(c)
    transpose<W>(of_chunk(p.starts, i, p.width, p.width), p.width, p.width, turned);
    panel::product<R, V, W>({gv, p.width, 1}, {turned, p.width}, p.width, p.M, p.width,
                            {gkd, p.width}, false);
    solve_upper<R, V, W>(p, n, gkd);
    transpose<W>(of_chunk(p.wn, i, p.rows, p.width), p.rows, p.width, wn_turned);
  }
  solve_upper<R, V, W>(p, n, gv);
  keys_backward<R, V, W>(p, i, gv, gkd, u0_turned, wn_turned, a);
  for (int64_t j = 0; j < p.M; j += R) {
    const int64_t count = std::min<int64_t>(R, p.M - j);
    panel::product<R, V, W>({a + j * p.rows + j, 1, p.rows}, {k + j * p.width, p.width}, p.M - j,
                            count, p.width, {gkb + j * p.width, p.width}, true);
    panel::product<R, V, W>({a + j * p.rows, p.rows, 1}, {kb, p.width}, j + count, count, p.width,
                            {gk + j * p.width, p.width}, false);
  }
  for (int64_t t = 0; t < p.M && at.past; ++t) {
    const float since = since_start(p, c, t);
    if (p.log_alpha) gc[t] -= dot_simd(gkd + t * p.width, k + t * p.width, p.width) * since;
    add(gk + t * p.width, gkd + t * p.width, -since, p.width);
  }
  if (is_kept(p, at)) write_backward<R, V, W>(p, i, kb, turned, part, gkb);
  load_tokens(p, p.beta, at, beta);
  multiply(beta, gkb, p.rows * p.width);
  add(gk, beta, 1, p.M * p.width);
  multiply(gkb, k, p.rows * p.width);
  store_tokens(p, p.gk, at, gk);
  store_tokens(p, p.gv, at, gv);
  store_tokens(p, p.gbeta, at, gkb);
  if (p.log_alpha) decay_backward(p, at, gc);
}

}  // namespace tptt::chunk
