#include "models/kernels/normed_silu.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "models/kernels/dispatch.h"
#include "models/kernels/simd.h"

namespace tptt {
namespace {

constexpr float kLeastNorm = 1e-6F;

TPTT_SIMD void forward_row(const float* x, float* y, int64_t size) {
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < size; ++i) {
    y[i] = x[i] * sigmoid_simd(x[i]);
    squares += y[i] * y[i];
  }
  const float scale = 1 / std::max(std::sqrt(squares), kLeastNorm);
#pragma omp simd
  for (int64_t i = 0; i < size; ++i) y[i] *= scale;
}

// Through y = s / |s|: (g - y (g . y)) / |s|, and where the norm is at its least: g / 1e-6.
TPTT_SIMD void backward_row(const float* g, const float* x, float* out, int64_t size) {
  float squares = 0, along = 0;  // |s|^2, g . s
#pragma omp simd reduction(+ : squares, along)
  for (int64_t i = 0; i < size; ++i) {
    const float s = x[i] * sigmoid_simd(x[i]);
    squares += s * s;
    along += g[i] * s;
  }
  const float norm = std::sqrt(squares), scale = 1 / std::max(norm, kLeastNorm);
  const float part = norm > kLeastNorm ? along / squares : 0;
#pragma omp simd
  for (int64_t i = 0; i < size; ++i) {
    const float z = sigmoid_simd(x[i]), s = x[i] * z;
    out[i] = (g[i] - s * part) * scale * (z + s * (1 - z));
  }
}

// f(row of x, first number of the row in a contiguous tensor) over all rows.
template <class F>
void for_rows(const at::Tensor& x, const F& f) {
  const RowOffsets offset(x);
  const float* all = x.const_data_ptr<float>();
  at::parallel_for(0, x.numel() / x.size(3), rows_a_task(x.size(3)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t row = begin; row < end; ++row)
                       f(all + offset(row), row * x.size(3));
                   });
}

}  // namespace

at::Tensor normed_silu(const at::Tensor& x) {
  at::Tensor y = at::empty(x.sizes(), x.options());
  float* to = y.mutable_data_ptr<float>();
  for_rows(x, [&](const float* row, int64_t at) { forward_row(row, to + at, x.size(3)); });
  return y;
}

at::Tensor normed_silu_backward(const at::Tensor& given, const at::Tensor& x) {
  const at::Tensor g = given.contiguous();
  at::Tensor out = at::empty(x.sizes(), x.options());
  float* to = out.mutable_data_ptr<float>();
  for_rows(x, [&](const float* row, int64_t at) {
    backward_row(g.const_data_ptr<float>() + at, row, to + at, x.size(3));
  });
  return out;
}

}  // namespace tptt
