#include "models/kernels/attention.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "models/kernels/dispatch.h"
#include "models/kernels/simd.h"

namespace tptt {
namespace {

constexpr int64_t kQueries = 128, kKeys = 512;  // of a tile
constexpr float kHidden = -1e30F;               // the score of a key that is not seen

// Queries begin .. begin + count against keys first .. first + size.
struct Tile {
  int64_t begin, count, first, size;
};

std::vector<Tile> tiles_of(int64_t begin, int64_t count, const AttentionWindow& window) {
  const int64_t end = begin + count;
  int64_t first = window.length > 0 ? std::max<int64_t>(0, begin - window.length + 1) : 0;
  std::vector<Tile> tiles;
  if (first <= window.sinks) first = 0;
  for (int64_t sink = 0; first > 0 && sink < window.sinks; sink += kKeys)
    tiles.push_back({begin, count, sink, std::min(kKeys, window.sinks - sink)});
  for (; first < end; first += kKeys)
    tiles.push_back({begin, count, first, std::min(kKeys, end - first)});
  return tiles;
}

struct Scores {
  int64_t size;           // keys
  int64_t query, first;   // the row's position, that of its first key
  int64_t window, sinks;  // window 0: none
  float scaling, cap;
};

// A row of products becomes one of scores: scaled, capped, hidden where not seen.
TPTT_INLINE void score_row(float* x, const Scores& s) {
  if (s.cap > 0) {
#pragma omp simd
    for (int64_t i = 0; i < s.size; ++i) {
      const float z = exp_simd(2 * x[i] * s.scaling / s.cap);
      x[i] = s.cap * (1 - 2 / (z + 1));
    }
  } else {
#pragma omp simd
    for (int64_t i = 0; i < s.size; ++i) x[i] *= s.scaling;
  }
  const int64_t seen = std::clamp<int64_t>(s.query - s.first + 1, 0, s.size);
  for (int64_t i = seen; i < s.size; ++i) x[i] = kHidden;
  if (s.window == 0) return;
  const int64_t from = std::max<int64_t>(0, s.sinks - s.first);  // the sinks stay
  const int64_t to = std::clamp<int64_t>(s.query - s.window + 1 - s.first, 0, s.size);
  for (int64_t i = from; i < to; ++i) x[i] = kHidden;
}

// What a row has gathered: the largest score, the sum of exponentials, and its weighted values.
struct Running {
  float top, sum;
};

// x becomes e^(x - top); what was gathered before is scaled to the new top.
TPTT_SIMD Running softmax_row(float* x, const Scores& s, Running before, float* o, int64_t width) {
  score_row(x, s);
  float top = before.top, sum = 0;
#pragma omp simd reduction(max : top)
  for (int64_t i = 0; i < s.size; ++i) top = std::max(top, x[i]);
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < s.size; ++i) {
    x[i] = x[i] <= kHidden ? 0.0F : exp_simd(x[i] - top);
    sum += x[i];
  }
  const float scale = before.sum > 0 ? std::exp(before.top - top) : 0.0F;
#pragma omp simd
  for (int64_t i = 0; i < width; ++i) o[i] *= scale;
  return {top, before.sum * scale + sum};
}

// p becomes the row's weights, dp the gradient of its products.
TPTT_SIMD void gradient_row(float* p, float* dp, const Scores& s, float lse, float delta) {
  score_row(p, s);
  const float per_cap = s.cap > 0 ? 1 / s.cap : 0;
#pragma omp simd
  for (int64_t i = 0; i < s.size; ++i) {
    const float capped = p[i] * per_cap, seen = p[i] <= kHidden ? 0.0F : 1.0F;
    const float slope = seen * s.scaling * (1 - seen * capped * capped);
    p[i] = seen * exp_simd(p[i] - lse);
    dp[i] = p[i] * (dp[i] - delta) * slope;
  }
}

TPTT_SIMD float dot(const float* a, const float* b, int64_t size) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < size; ++i) sum += a[i] * b[i];
  return sum;
}

// One head of one sequence in float32, [L, D] each.
struct Head {
  at::Tensor q, k, v;
};

Head head_of(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t i) {
  const int64_t heads = q.size(1), s = i / heads, h = i % heads;
  const int64_t group = h / (heads / k.size(1));
  const auto wide = [](const at::Tensor& x) { return x.to(at::kFloat); };
  return {wide(q[s][h]), wide(k[s][group]), wide(v[s][group])};
}

Scores scores_of(const Tile& tile, int64_t row, const AttentionWindow& window,
                 const ScoreConfig& score) {
  return {tile.size,
          tile.begin + row,
          tile.first,
          window.length,
          window.sinks,
          float(score.scaling),
          float(score.softcapping)};
}

at::Tensor product(const at::Tensor& a, const at::Tensor& b, at::Tensor& buffer) {
  at::Tensor out = buffer.narrow(0, 0, a.size(0) * b.size(1)).view({a.size(0), b.size(1)});
  at::mm_out(out, a, b);
  return out;
}

at::Tensor buffer_of(int64_t numbers) {
  return at::empty({numbers}, at::TensorOptions().dtype(at::kFloat));
}

void head_forward(const Head& head, const AttentionWindow& window, const ScoreConfig& score,
                  at::Tensor o, float* lse) {
  const int64_t length = head.q.size(0), width = head.v.size(1);
  at::Tensor buffer = buffer_of(kQueries * kKeys);
  std::vector<Running> rows(kQueries);
  for (int64_t begin = 0; begin < length; begin += kQueries) {
    const int64_t count = std::min(kQueries, length - begin);
    at::Tensor sum = at::zeros({count, width}, buffer.options());
    float* gathered = sum.mutable_data_ptr<float>();
    std::fill(rows.begin(), rows.end(), Running{kHidden, 0});
    for (const Tile& tile : tiles_of(begin, count, window)) {
      const at::Tensor p = product(head.q.narrow(0, begin, count),
                                   head.k.narrow(0, tile.first, tile.size).t(), buffer);
      float* x = p.mutable_data_ptr<float>();
      for (int64_t r = 0; r < count; ++r)
        rows[size_t(r)] = softmax_row(x + r * tile.size, scores_of(tile, r, window, score),
                                      rows[size_t(r)], gathered + r * width, width);
      sum.addmm_(p, head.v.narrow(0, tile.first, tile.size));
    }
    at::Tensor sums = at::empty({count, 1}, buffer.options());
    for (int64_t r = 0; r < count; ++r) {
      const Running& row = rows[size_t(r)];
      sums.mutable_data_ptr<float>()[r] = row.sum;
      lse[begin + r] = row.top + std::log(row.sum);
    }
    o.narrow(0, begin, count).copy_(sum.div_(sums));
  }
}

// [S, H, L, D] whose tokens lie one after another, as projections have them.
at::Tensor by_token(int64_t sequences, int64_t heads, int64_t length, int64_t width,
                    const at::TensorOptions& options) {
  return at::empty({sequences, length, heads, width}, options).transpose(1, 2);
}

struct HeadGradients {
  at::Tensor q, k, v;  // [L, D], float32, zero at first
};

void head_backward(const Head& head, const at::Tensor& g, const at::Tensor& o, const float* lse,
                   const AttentionWindow& window, const ScoreConfig& score, HeadGradients& grads) {
  const int64_t length = head.q.size(0), width = head.v.size(1);
  at::Tensor buffer = buffer_of(kQueries * kKeys), other = buffer_of(kQueries * kKeys);
  for (int64_t begin = 0; begin < length; begin += kQueries) {
    const int64_t count = std::min(kQueries, length - begin);
    const at::Tensor gb = g.narrow(0, begin, count), qb = head.q.narrow(0, begin, count);
    at::Tensor dq = grads.q.narrow(0, begin, count);
    for (const Tile& tile : tiles_of(begin, count, window)) {
      const at::Tensor k = head.k.narrow(0, tile.first, tile.size);
      const at::Tensor v = head.v.narrow(0, tile.first, tile.size);
      const at::Tensor p = product(qb, k.t(), buffer), dp = product(gb, v.t(), other);
      for (int64_t r = 0; r < count; ++r) {
        const int64_t row = (begin + r) * width;
        const float delta =
            dot(g.const_data_ptr<float>() + row, o.const_data_ptr<float>() + row, width);
        gradient_row(p.mutable_data_ptr<float>() + r * tile.size,
                     dp.mutable_data_ptr<float>() + r * tile.size,
                     scores_of(tile, r, window, score), lse[begin + r], delta);
      }
      grads.v.narrow(0, tile.first, tile.size).addmm_(p.t(), gb);
      grads.k.narrow(0, tile.first, tile.size).addmm_(dp.t(), qb);
      dq.addmm_(dp, k);
    }
  }
}

}  // namespace

TiledAttention tiled_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               const AttentionWindow& window, const ScoreConfig& score) {
  const int64_t heads = q.size(1), length = q.size(2);
  TiledAttention out{by_token(q.size(0), heads, length, v.size(3), q.options()),
                     at::empty({q.size(0), heads, length}, q.options().dtype(at::kFloat))};
  at::parallel_for(0, q.size(0) * heads, 1, [&](int64_t begin, int64_t end) {
    c10::AutoGradMode no_grad(false);
    for (int64_t i = begin; i < end; ++i)
      head_forward(head_of(q, k, v, i), window, score, out.o[i / heads][i % heads],
                   out.lse.mutable_data_ptr<float>() + i * length);
  });
  return out;
}

AttentionGradients tiled_attention_backward(const at::Tensor& g, const at::Tensor& q,
                                            const at::Tensor& k, const at::Tensor& v,
                                            const TiledAttention& forward,
                                            const AttentionWindow& window,
                                            const ScoreConfig& score) {
  const int64_t heads = q.size(1), length = q.size(2);
  const auto wide = q.options().dtype(at::kFloat);
  const auto zeros = [&](int64_t width) {
    return by_token(q.size(0), heads, length, width, wide).zero_();
  };
  // A key head's gradient is the sum of its query heads', which are computed side by side.
  const at::Tensor dq = zeros(q.size(3)), dk = zeros(k.size(3)), dv = zeros(v.size(3));
  at::parallel_for(0, q.size(0) * heads, 1, [&](int64_t begin, int64_t end) {
    c10::AutoGradMode no_grad(false);
    const auto packed = [](const at::Tensor& x) { return x.to(at::kFloat).contiguous(); };
    for (int64_t i = begin; i < end; ++i) {
      const int64_t s = i / heads, h = i % heads;
      HeadGradients grads{dq[s][h], dk[s][h], dv[s][h]};
      head_backward(head_of(q, k, v, i), packed(g[s][h]), packed(forward.o[s][h]),
                    forward.lse.const_data_ptr<float>() + i * length, window, score, grads);
    }
  });
  const auto of_groups = [&](const at::Tensor& x) {
    return k.size(1) == heads ? x : x.unflatten(1, {k.size(1), -1}).sum(2);
  };
  return {dq.to(q.scalar_type()), of_groups(dk).to(k.scalar_type()),
          of_groups(dv).to(v.scalar_type())};
}

}  // namespace tptt
