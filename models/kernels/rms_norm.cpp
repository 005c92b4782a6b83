#include "models/kernels/rms_norm.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/rsqrt.h>

#include <cmath>
#include <type_traits>

#include "models/kernels/dispatch.h"
#include "models/kernels/simd.h"

namespace tptt {
namespace {

// Rows begin .. end of [rows, size].
struct Rows {
  int64_t begin, end, size;
};

template <class W>
TPTT_INLINE float rounded_to(float value) {
  if constexpr (std::is_same_v<W, float>) return value;
  return std::bit_cast<float>(uint32_t(bfloat16_bits(value)) << 16);
}

template <class T, class W>
TPTT_INLINE void forward(const T* x, const W* w, T* y, float* r, Rows rows, float eps) {
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const T* xr = x + row * rows.size;
    T* yr = y + row * rows.size;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < rows.size; ++i) sum += load(xr, i) * load(xr, i);
    const float scale = 1 / std::sqrt(sum / float(rows.size) + eps);
    r[row] = scale;
#pragma omp simd
    for (int64_t i = 0; i < rows.size; ++i)
      store(yr, i, load(w, i) * rounded_to<W>(load(xr, i) * scale));
  }
}

template <class T, class W>
TPTT_INLINE void backward(const T* g, const T* x, const W* w, const float* r, T* dx, Rows rows) {
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const T *xr = x + row * rows.size, *gr = g + row * rows.size;
    T* out = dx + row * rows.size;
    const float scale = r[row];
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t i = 0; i < rows.size; ++i) dot += load(gr, i) * load(w, i) * load(xr, i);
    const float slope = dot * scale * scale / float(rows.size);
#pragma omp simd
    for (int64_t i = 0; i < rows.size; ++i)
      store(out, i, scale * (load(gr, i) * load(w, i) - load(xr, i) * slope));
  }
}

#define TPTT_RMS_NORM(T, W)                                                                   \
  TPTT_SIMD void forward_rows(const T* x, const W* w, T* y, float* r, Rows rows, float eps) { \
    forward(x, w, y, r, rows, eps);                                                           \
  }                                                                                           \
  TPTT_SIMD void backward_rows(const T* g, const T* x, const W* w, const float* r, T* dx,     \
                               Rows rows) {                                                   \
    backward(g, x, w, r, dx, rows);                                                           \
  }
TPTT_RMS_NORM(float, float)
TPTT_RMS_NORM(c10::BFloat16, float)
TPTT_RMS_NORM(c10::BFloat16, c10::BFloat16)
#undef TPTT_RMS_NORM

bool has_kernel(const at::Tensor& x, const at::Tensor& weight) {
  return has_cpu_kernel(x) && has_cpu_kernel(weight) &&
         (weight.scalar_type() == at::kFloat || weight.scalar_type() == x.scalar_type());
}

// f(T, W) with values of the two types.
template <class F>
void with_types(const at::Tensor& x, const at::Tensor& weight, const F& f) {
  if (x.scalar_type() == at::kFloat) return f(float(), float());
  if (weight.scalar_type() == at::kFloat) return f(c10::BFloat16(), float());
  f(c10::BFloat16(), c10::BFloat16());
}

}  // namespace

std::pair<at::Tensor, at::Tensor> rms_norm_forward(const at::Tensor& given,
                                                   const at::Tensor& weight, double eps) {
  if (!has_kernel(given, weight)) {
    const at::Tensor xf = given.to(at::kFloat);
    const at::Tensor r = at::rsqrt(at::mean(xf.square(), -1, true).add_(eps));
    return {(weight * xf.mul(r).to(weight.scalar_type())).to(given.scalar_type()), r};
  }
  const at::Tensor x = given.contiguous(), w = weight.contiguous();
  at::Tensor y = at::empty_like(x);
  auto shape = x.sizes().vec();
  const int64_t size = shape.back();
  shape.back() = 1;
  at::Tensor r = at::empty(shape, x.options().dtype(at::kFloat));
  with_types(x, w, [&](auto t, auto u) {
    using T = decltype(t);
    using W = decltype(u);
    at::parallel_for(0, r.numel(), rows_a_task(size), [&](int64_t begin, int64_t end) {
      forward_rows(x.const_data_ptr<T>(), w.const_data_ptr<W>(), y.mutable_data_ptr<T>(),
                   r.mutable_data_ptr<float>(), {begin, end, size}, float(eps));
    });
  });
  return {y, r};
}

at::Tensor rms_norm_backward(const at::Tensor& g, const at::Tensor& given, const at::Tensor& weight,
                             const at::Tensor& r) {
  if (!has_kernel(given, weight)) {
    const at::Tensor xhat = given.to(at::kFloat).mul(r);
    const at::Tensor gw = g.to(at::kFloat).mul(weight);
    const at::Tensor dot = at::mean(gw * xhat, -1, true);
    return gw.sub(xhat.mul_(dot)).mul_(r).to(given.scalar_type());
  }
  const at::Tensor gc = g.contiguous(), x = given.contiguous(), w = weight.contiguous();
  at::Tensor dx = at::empty_like(x);
  const int64_t size = x.size(-1);
  with_types(x, w, [&](auto t, auto u) {
    using T = decltype(t);
    using W = decltype(u);
    at::parallel_for(0, r.numel(), rows_a_task(size), [&](int64_t begin, int64_t end) {
      backward_rows(gc.const_data_ptr<T>(), x.const_data_ptr<T>(), w.const_data_ptr<W>(),
                    r.const_data_ptr<float>(), dx.mutable_data_ptr<T>(), {begin, end, size});
    });
  });
  return dx;
}

}  // namespace tptt
