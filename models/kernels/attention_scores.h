#pragma once

#include <algorithm>
#include <cmath>

#include "models/kernels/simd.h"

// What happens between the products of an attention: a row of scores in place.

namespace tptt::scores {

constexpr float kHidden = -1e30F;  // the score of a key that is not seen

struct Row {
  int64_t size;           // keys
  int64_t query, first;   // the row's position, that of its first key
  int64_t window, sinks;  // window 0: none
  float scaling, cap;
};

// A row of products becomes one of scores: scaled, capped, hidden where not seen.
TPTT_INLINE void score(float* x, const Row& s) {
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

// What a row has gathered: the largest score and the sum of exponentials of its weighted values.
struct Running {
  float top, sum;
};

// x becomes e^(x - top); what was gathered before, o, is scaled to the new top.
TPTT_INLINE Running softmax(float* x, const Row& s, Running before, float* o, int64_t width) {
  score(x, s);
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

// p becomes the row's weights, dp the gradient of its products. lse: the log of the row's sum of
// exponentials; delta: its o times o's gradient.
TPTT_INLINE void gradient(float* p, float* dp, const Row& s, float lse, float delta) {
  score(p, s);
  const float per_cap = s.cap > 0 ? 1 / s.cap : 0;
#pragma omp simd
  for (int64_t i = 0; i < s.size; ++i) {
    const float capped = p[i] * per_cap, seen = p[i] <= kHidden ? 0.0F : 1.0F;
    const float slope = seen * s.scaling * (1 - seen * capped * capped);
    p[i] = seen * exp_simd(p[i] - lse);
    dp[i] = p[i] * (dp[i] - delta) * slope;
  }
}

}  // namespace tptt::scores
