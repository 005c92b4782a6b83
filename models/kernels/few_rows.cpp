#include "models/kernels/few_rows.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "models/kernels/dispatch.h"
#include "models/kernels/simd.h"

namespace tptt {
namespace {

constexpr int64_t kMostRows = 4;
constexpr int64_t kAtOnce = 4;  // rows of the weight: sums that do not wait for each other

struct Product {
  const float* x;  // [rows, in]
  int64_t rows, in, out;
};

template <class T>
TPTT_INLINE float dot(const float* x, const T* w, int64_t size) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < size; ++i) sum += x[i] * load(w, i);
  return sum;
}

template <class T>
TPTT_INLINE void multiply(const Product& p, const T* weight, T* y, int64_t begin, int64_t end) {
  int64_t o = begin;
  for (; o + kAtOnce <= end; o += kAtOnce) {
    const T *w0 = weight + o * p.in, *w1 = w0 + p.in, *w2 = w1 + p.in, *w3 = w2 + p.in;
    for (int64_t r = 0; r < p.rows; ++r) {
      const float* x = p.x + r * p.in;
      float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
      for (int64_t i = 0; i < p.in; ++i) {
        s0 += x[i] * load(w0, i);
        s1 += x[i] * load(w1, i);
        s2 += x[i] * load(w2, i);
        s3 += x[i] * load(w3, i);
      }
      T* yr = y + r * p.out + o;
      store(yr, 0, s0), store(yr, 1, s1), store(yr, 2, s2), store(yr, 3, s3);
    }
  }
  for (; o < end; ++o)
    for (int64_t r = 0; r < p.rows; ++r)
      store(y, r * p.out + o, dot(p.x + r * p.in, weight + o * p.in, p.in));
}

TPTT_SIMD void multiply_rows(const Product& p, const float* weight, float* y, int64_t begin,
                             int64_t end) {
  multiply(p, weight, y, begin, end);
}

TPTT_SIMD void multiply_rows(const Product& p, const c10::BFloat16* weight, c10::BFloat16* y,
                             int64_t begin, int64_t end) {
  multiply(p, weight, y, begin, end);
}

}  // namespace

bool has_few_rows(const at::Tensor& x, const at::Tensor& weight) {
  return !c10::GradMode::is_enabled() && x.dim() == 2 && x.size(0) <= kMostRows &&
         has_cpu_kernel(x) && weight.is_contiguous();
}

at::Tensor few_rows_mm(const at::Tensor& x, const at::Tensor& weight) {
  const at::Tensor wide = x.to(at::kFloat).contiguous();
  at::Tensor y = at::empty({x.size(0), weight.size(0)}, x.options());
  const Product product{wide.const_data_ptr<float>(), x.size(0), x.size(1), weight.size(0)};
  with_type(x, [&](auto t) {
    using T = decltype(t);
    at::parallel_for(0, product.out, rows_a_task(product.in), [&](int64_t begin, int64_t end) {
      multiply_rows(product, weight.const_data_ptr<T>(), y.mutable_data_ptr<T>(), begin, end);
    });
  });
  return y;
}

}  // namespace tptt
