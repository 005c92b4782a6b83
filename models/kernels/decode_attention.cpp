#include "models/kernels/decode_attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/kernels/dispatch.h"
#include "models/kernels/vectors.h"

namespace tptt {
namespace {

constexpr int kWidth = 16;
constexpr int64_t kAhead = 16;  // rows
using Vector = VectorOf<kWidth>::type;

// One query head and the keys and values of its group.
template <class T>
struct Head {
  const T *q, *k, *v;  // [D], rows of D numbers
  T* o;                // [Dv]
  int64_t count, width, value_width;
  float scaling, cap;
};

template <class T>
TPTT_INLINE float dot(const T* a, const T* b, int64_t size) {
  Vector sum{}, x, y;
  const int64_t whole = size / kWidth * kWidth;
  for (int64_t i = 0; i < whole; i += kWidth) {
    load_vector<kWidth>(x, a + i);
    load_vector<kWidth>(y, b + i);
    sum += x * y;
  }
  float total = sum_of<kWidth>(sum);
  for (int64_t i = whole; i < size; ++i) total += load(a, i) * load(b, i);
  return total;
}

// Asks for row j of x [count, width], which a product with the weights has driven out of the
// caches.
template <class T>
TPTT_INLINE void prefetch_row(const T* x, int64_t j, int64_t width) {
  const char* row = reinterpret_cast<const char*>(x + j * width);
  for (int64_t i = 0; i < width * int64_t(sizeof(T)); i += 64) __builtin_prefetch(row + i);
}

// Columns begin .. begin + N kWidth of sum_j p[j] v[j], times scale.
template <int N, class T>
TPTT_INLINE void weigh(const Head<T>& head, const float* p, float scale, int64_t begin) {
  Vector sum[N] = {}, x;
  for (int64_t j = 0; j < head.count; ++j) {
    const T* row = head.v + j * head.value_width + begin;
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      load_vector<kWidth>(x, row + n * kWidth);
      sum[n] += p[j] * x;
    }
  }
  for (int n = 0; n < N; ++n) store_vector<kWidth>(head.o + begin + n * kWidth, sum[n] * scale);
}

// p [count] is scratch.
template <class T>
TPTT_INLINE void attend(const Head<T>& head, float* p) {
  float top = -std::numeric_limits<float>::infinity(), sum = 0;
  for (int64_t j = 0; j < head.count; ++j) {
    prefetch_row(head.k, j + kAhead, head.width);
    prefetch_row(head.v, j, head.value_width);
    const float raw = head.scaling * dot(head.q, head.k + j * head.width, head.width);
    p[j] = head.cap > 0 ? head.cap * std::tanh(raw / head.cap) : raw;
    top = std::max(top, p[j]);
  }
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < head.count; ++j) {
    p[j] = exp_simd(p[j] - top);
    sum += p[j];
  }
  int64_t i = 0;
  for (; i + 4 * kWidth <= head.value_width; i += 4 * kWidth) weigh<4>(head, p, 1 / sum, i);
  for (; i + kWidth <= head.value_width; i += kWidth) weigh<1>(head, p, 1 / sum, i);
  for (; i < head.value_width; ++i) {
    float o = 0;
    for (int64_t j = 0; j < head.count; ++j) o += p[j] * load(head.v + j * head.value_width, i);
    store(head.o, i, o / sum);
  }
}

TPTT_SIMD void attend_head(const Head<float>& head, float* p) {
  attend(head, p);
}

TPTT_SIMD void attend_head(const Head<c10::BFloat16>& head, float* p) {
  attend(head, p);
}

}  // namespace

void store_tokens(const at::Tensor& to, const std::vector<int64_t>& slots,
                  const at::Tensor& given) {
  const at::Tensor x = given.contiguous();
  with_type(x, [&](auto t) {
    using T = decltype(t);
    const T* from = x.const_data_ptr<T>();
    T* all = to.mutable_data_ptr<T>();
    for (size_t s = 0; s < slots.size(); ++s)
      for (int64_t g = 0; g < x.size(1); ++g, from += x.size(2))
        std::copy_n(from, x.size(2),
                    all + int64_t(s) * to.stride(0) + g * to.stride(1) + slots[s] * to.stride(2));
  });
}

at::Tensor decode_attention(const at::Tensor& given, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& seen, const ScoreConfig& score) {
  const at::Tensor q = given.contiguous();
  const int64_t heads = q.size(1), per_group = heads / k.size(1);
  at::Tensor o = at::empty({q.size(0), heads, v.size(3)}, q.options());
  const int64_t most = *std::max_element(seen.begin(), seen.end());
  const int64_t grain = rows_a_task(most * (k.size(3) + v.size(3)));
  with_type(q, [&](auto t) {
    using T = decltype(t);
    at::parallel_for(0, q.size(0) * heads, grain, [&](int64_t begin, int64_t end) {
      std::vector<float> scratch(static_cast<size_t>(most));
      for (int64_t i = begin; i < end; ++i) {
        const int64_t s = i / heads, group = i % heads / per_group;
        attend_head(Head<T>{q.const_data_ptr<T>() + i * q.size(2),
                            k.const_data_ptr<T>() + s * k.stride(0) + group * k.stride(1),
                            v.const_data_ptr<T>() + s * v.stride(0) + group * v.stride(1),
                            o.mutable_data_ptr<T>() + i * v.size(3), seen[size_t(s)], q.size(2),
                            v.size(3), float(score.scaling), float(score.softcapping)},
                    scratch.data());
      }
    });
  });
  return o;
}

}  // namespace tptt
