#include "models/kernels/gated_mix.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "models/kernels/dispatch.h"
#include "models/kernels/simd.h"

namespace tptt {
namespace {

// What one head mixes by.
struct Head {
  int64_t dim;  // D
  float gate, size;
  const float* weight;  // [D]
};

template <class T>
TPTT_INLINE float mu_of(const T* q, const Head& h) {
  float logit = h.gate;
#pragma omp simd reduction(+ : logit)
  for (int64_t i = 0; i < h.dim; ++i) logit += load(q, i) * h.weight[i];
  return 1 / (1 + std::exp(-logit));
}

template <class T>
TPTT_INLINE void mix(const T* soft, const float* raw, const T* q, T* out, const Head& h) {
  const float mu = mu_of(q, h);
#pragma omp simd
  for (int64_t i = 0; i < h.dim; ++i) {
    const float s = load(soft, i);
    store(out, i, s + mu * (h.size * raw[i] - s));
  }
}

// Rows of the gradients, and what the head's own get: [D] of the weight, then gate and size.
template <class T>
struct Gradients {
  T* soft;
  float* raw;
  T* q;
  float* head;
};

template <class T>
TPTT_INLINE void mix_backward(const T* g, const T* soft, const float* raw, const T* q,
                              const Gradients<T>& to, const Head& h) {
  const float mu = mu_of(q, h);
  float by_raw = 0, by_soft = 0;  // g . raw, g . soft
#pragma omp simd reduction(+ : by_raw, by_soft)
  for (int64_t i = 0; i < h.dim; ++i) {
    by_raw += load(g, i) * raw[i];
    by_soft += load(g, i) * load(soft, i);
  }
  const float by_logit = mu * (1 - mu) * (h.size * by_raw - by_soft);
#pragma omp simd
  for (int64_t i = 0; i < h.dim; ++i) {
    const float grad = load(g, i);
    store(to.soft, i, (1 - mu) * grad);
    to.raw[i] = mu * h.size * grad;
    store(to.q, i, by_logit * h.weight[i]);
    to.head[i] += by_logit * load(q, i);
  }
  to.head[h.dim] += by_logit;
  to.head[h.dim + 1] += mu * by_raw;
}

#define TPTT_GATED_MIX(T)                                                                      \
  TPTT_SIMD void mix_row(const T* soft, const float* raw, const T* q, T* out, const Head& h) { \
    mix(soft, raw, q, out, h);                                                                 \
  }                                                                                            \
  TPTT_SIMD void backward_row(const T* g, const T* soft, const float* raw, const T* q,         \
                              const Gradients<T>& to, const Head& h) {                         \
    mix_backward(g, soft, raw, q, to, h);                                                      \
  }
TPTT_GATED_MIX(float)
TPTT_GATED_MIX(c10::BFloat16)
#undef TPTT_GATED_MIX

GatedMix contiguous(const GatedMix& x) {
  return {x.soft.contiguous(), x.raw.contiguous(),         x.q.contiguous(),
          x.gate.contiguous(), x.gate_weight.contiguous(), x.size.contiguous()};
}

Head head_of(const GatedMix& x, int64_t head) {
  const int64_t dim = x.soft.size(2);
  return {dim, x.gate.const_data_ptr<float>()[head], x.size.const_data_ptr<float>()[head],
          x.gate_weight.const_data_ptr<float>() + head * dim};
}

}  // namespace

at::Tensor gated_mix(const GatedMix& in) {
  const GatedMix x = contiguous(in);
  at::Tensor out = at::empty_like(x.soft);
  const int64_t heads = x.soft.size(1), dim = x.soft.size(2);
  with_type(x.soft, [&](auto t) {
    using T = decltype(t);
    at::parallel_for(0, x.soft.size(0), rows_a_task(heads * dim), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin * heads; row < end * heads; ++row)
        mix_row(x.soft.const_data_ptr<T>() + row * dim, x.raw.const_data_ptr<float>() + row * dim,
                x.q.const_data_ptr<T>() + row * dim, out.mutable_data_ptr<T>() + row * dim,
                head_of(x, row % heads));
    });
  });
  return out;
}

GatedMix gated_mix_backward(const at::Tensor& g_in, const GatedMix& in) {
  const GatedMix x = contiguous(in);
  const at::Tensor g = g_in.contiguous();
  GatedMix out{at::empty_like(x.soft), at::empty_like(x.raw), at::empty_like(x.q), {}, {}, {}};
  const int64_t heads = x.soft.size(1), dim = x.soft.size(2);
  constexpr int64_t kTokens = 64;  // of a part of the heads' sums: the same for any threads
  const int64_t parts = (g.size(0) + kTokens - 1) / kTokens;
  const at::Tensor sums = at::zeros({parts, heads, dim + 2}, x.raw.options());
  with_type(x.soft, [&](auto t) {
    using T = decltype(t);
    at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t part = begin; part < end; ++part) {
        const int64_t last = std::min((part + 1) * kTokens, g.size(0)) * heads;
        for (int64_t row = part * kTokens * heads; row < last; ++row) {
          const int64_t at = row * dim, head = row % heads;
          backward_row(g.const_data_ptr<T>() + at, x.soft.const_data_ptr<T>() + at,
                       x.raw.const_data_ptr<float>() + at, x.q.const_data_ptr<T>() + at,
                       {out.soft.mutable_data_ptr<T>() + at, out.raw.mutable_data_ptr<float>() + at,
                        out.q.mutable_data_ptr<T>() + at,
                        sums.mutable_data_ptr<float>() + (part * heads + head) * (dim + 2)},
                       head_of(x, head));
        }
      }
    });
  });
  const at::Tensor sum = sums.sum(0);  // [H, D + 2]
  out.gate_weight = sum.narrow(1, 0, dim).contiguous();
  out.gate = sum.select(1, dim).contiguous();
  out.size = sum.select(1, dim + 1).contiguous();
  return out;
}

}  // namespace tptt
