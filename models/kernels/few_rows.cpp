#include "models/kernels/few_rows.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "models/kernels/dispatch.h"
#include "models/kernels/vectors.h"

namespace tptt {
namespace {

constexpr int64_t kMostRows = 4;
constexpr int kAtOnce = 4;  // rows of the weight: sums that do not wait for each other
constexpr int kWidth = 16;

struct Product {
  const float* x;  // [rows, in]
  int64_t rows, in, out;
};

// y [N] of N rows of the weight, `in` apart, and one row of x.
template <int N, class T>
TPTT_INLINE void dots(const float* x, const T* w, int64_t in, float* y) {
  using Vector = VectorOf<kWidth>::type;
  Vector sum[N] = {}, xs, ws;
  const int64_t whole = in / kWidth * kWidth;
  for (int64_t i = 0; i < whole; i += kWidth) {
    load_vector<kWidth>(xs, x + i);
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      __builtin_prefetch(w + (N + n) * in + i);  // rows are too short to be foreseen
      load_vector<kWidth>(ws, w + n * in + i);
      sum[n] += xs * ws;
    }
  }
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n) {
    y[n] = sum_of<kWidth>(sum[n]);
    for (int64_t i = whole; i < in; ++i) y[n] += x[i] * load(w + n * in, i);
  }
}

template <class T>
TPTT_INLINE void multiply(const Product& p, const T* weight, T* y, int64_t begin, int64_t end) {
  float sums[kAtOnce];
  int64_t o = begin;
  for (; o + kAtOnce <= end; o += kAtOnce)
    for (int64_t r = 0; r < p.rows; ++r) {
      dots<kAtOnce>(p.x + r * p.in, weight + o * p.in, p.in, sums);
      for (int64_t n = 0; n < kAtOnce; ++n) store(y, r * p.out + o + n, sums[n]);
    }
  for (; o < end; ++o)
    for (int64_t r = 0; r < p.rows; ++r) {
      dots<1>(p.x + r * p.in, weight + o * p.in, p.in, sums);
      store(y, r * p.out + o, sums[0]);
    }
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
