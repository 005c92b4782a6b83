#include "models/kernels/matched_mix.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "models/kernels/dispatch.h"
#include "models/kernels/simd.h"

namespace tptt {
namespace {

template <class T>
TPTT_INLINE float squares(const T* x, int64_t size) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < size; ++i) sum += load(x, i) * load(x, i);
  return sum;
}

// One head of one token.
struct Mix {
  int64_t size;
  float mu, eps;
};

// What lin is multiplied by, and one over mean lin^2 + eps.
struct Match {
  float ratio, inverse;
};

template <class T>
TPTT_INLINE Match match_of(const T* soft, const float* lin, const Mix& m) {
  const float per_size = 1 / float(m.size);
  const float inverse = 1 / (squares(lin, m.size) * per_size + m.eps);
  return {std::sqrt((squares(soft, m.size) * per_size + m.eps) * inverse), inverse};
}

template <class T>
TPTT_INLINE void mix(const T* soft, const float* lin, T* out, const Mix& m) {
  const float ratio = match_of(soft, lin, m).ratio;
#pragma omp simd
  for (int64_t i = 0; i < m.size; ++i) {
    const float s = load(soft, i), l = lin[i] * ratio;
    store(out, i, m.mu < 0.5F ? s + m.mu * (l - s) : l - (1 - m.mu) * (l - s));  // exact at 0 and 1
  }
}

// Gives mu's gradient. With r the ratio: dr/ds_i = s_i inverse / (D r), dr/dl_i = -r l_i inverse /
// D.
template <class T>
TPTT_INLINE float mix_backward(const T* g, const T* soft, const float* lin, T* g_soft, float* g_lin,
                               const Mix& m) {
  const Match match = match_of(soft, lin, m);
  float by_lin = 0, by_soft = 0;  // g . lin, g . soft
#pragma omp simd reduction(+ : by_lin, by_soft)
  for (int64_t i = 0; i < m.size; ++i) {
    by_lin += load(g, i) * lin[i];
    by_soft += load(g, i) * load(soft, i);
  }
  const float by_ratio = m.mu * by_lin * match.inverse / float(m.size);
  const float to_soft = by_ratio / match.ratio, to_lin = -by_ratio * match.ratio;
#pragma omp simd
  for (int64_t i = 0; i < m.size; ++i) {
    const float grad = load(g, i);
    store(g_soft, i, (1 - m.mu) * grad + to_soft * load(soft, i));
    g_lin[i] = m.mu * match.ratio * grad + to_lin * lin[i];
  }
  return by_lin * match.ratio - by_soft;
}

#define TPTT_MIX(T)                                                                    \
  TPTT_SIMD void mix_row(const T* soft, const float* lin, T* out, const Mix& m) {      \
    mix(soft, lin, out, m);                                                            \
  }                                                                                    \
  TPTT_SIMD float backward_row(const T* g, const T* soft, const float* lin, T* g_soft, \
                               float* g_lin, const Mix& m) {                           \
    return mix_backward(g, soft, lin, g_soft, g_lin, m);                               \
  }
TPTT_MIX(float)
TPTT_MIX(c10::BFloat16)
#undef TPTT_MIX

// f(head, first number of the row) for the rows of some tokens.
template <class F>
void for_rows(const at::Tensor& x, int64_t begin, int64_t end, const F& f) {
  const int64_t heads = x.size(1);
  for (int64_t row = begin * heads; row < end * heads; ++row) f(row % heads, row * x.size(2));
}

}  // namespace

at::Tensor matched_mix(const at::Tensor& soft_in, const at::Tensor& lin_in, const at::Tensor& mu,
                       double eps) {
  const at::Tensor soft = soft_in.contiguous(), lin = lin_in.contiguous();
  at::Tensor out = at::empty_like(soft);
  const float* mus = mu.const_data_ptr<float>();
  with_type(soft, [&](auto t) {
    using T = decltype(t);
    const auto grain = rows_a_task(soft.size(1) * soft.size(2));
    at::parallel_for(0, soft.size(0), grain, [&](int64_t begin, int64_t end) {
      for_rows(soft, begin, end, [&](int64_t head, int64_t at) {
        mix_row(soft.const_data_ptr<T>() + at, lin.const_data_ptr<float>() + at,
                out.mutable_data_ptr<T>() + at, {soft.size(2), mus[head], float(eps)});
      });
    });
  });
  return out;
}

MatchedMixGradients matched_mix_backward(const at::Tensor& g_in, const at::Tensor& soft_in,
                                         const at::Tensor& lin_in, const at::Tensor& mu,
                                         double eps) {
  const at::Tensor g = g_in.contiguous(), soft = soft_in.contiguous(), lin = lin_in.contiguous();
  MatchedMixGradients out{at::empty_like(soft), at::empty_like(lin), {}};
  const float* mus = mu.const_data_ptr<float>();
  constexpr int64_t kTokens = 64;  // of a part of mu's sum: the same for any number of threads
  const int64_t parts = (g.size(0) + kTokens - 1) / kTokens;
  const at::Tensor sums = at::zeros({parts, g.size(1)}, lin.options());
  with_type(soft, [&](auto t) {
    using T = decltype(t);
    at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t part = begin; part < end; ++part) {
        float* sum = sums.mutable_data_ptr<float>() + part * g.size(1);
        const int64_t first = part * kTokens, last = std::min(first + kTokens, g.size(0));
        for_rows(g, first, last, [&](int64_t head, int64_t at) {
          sum[head] += backward_row(
              g.const_data_ptr<T>() + at, soft.const_data_ptr<T>() + at,
              lin.const_data_ptr<float>() + at, out.soft.mutable_data_ptr<T>() + at,
              out.lin.mutable_data_ptr<float>() + at, {g.size(2), mus[head], float(eps)});
        });
      }
    });
  });
  out.mu = sums.sum(0);
  return out;
}

}  // namespace tptt
