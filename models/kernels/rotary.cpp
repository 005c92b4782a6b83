#include "models/kernels/rotary.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "models/kernels/dispatch.h"
#include "models/kernels/simd.h"

namespace tptt {
namespace {

// Heads x [heads, size], `stride` numbers from one to the next, to y [heads, size].
struct Heads {
  int64_t heads, stride, size, half;
};

template <class T>
TPTT_INLINE void rotate(const T* x, const float* cos, const float* sin, T* y, Heads h, float sign) {
  for (int64_t head = 0; head < h.heads; ++head, x += h.stride, y += h.size) {
#pragma omp simd
    for (int64_t i = 0; i < h.half; ++i) {
      const float a = load(x, i), b = load(x, h.half + i), s = sign * sin[i];
      store(y, i, a * cos[i] - b * s);
      store(y, h.half + i, b * cos[i] + a * s);
    }
    for (int64_t i = 2 * h.half; i < h.size; ++i) y[i] = x[i];
  }
}

TPTT_SIMD void rotate_token(const float* x, const float* cos, const float* sin, float* y, Heads h,
                            float sign) {
  rotate(x, cos, sin, y, h, sign);
}

TPTT_SIMD void rotate_token(const c10::BFloat16* x, const float* cos, const float* sin,
                            c10::BFloat16* y, Heads h, float sign) {
  rotate(x, cos, sin, y, h, sign);
}

at::Tensor rotate_by_operators(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                               double sign) {
  const int64_t half = cos.size(-1), rest = x.size(-1) - 2 * half;
  const at::Tensor xf = x.to(at::kFloat);
  const at::Tensor a = xf.narrow(-1, 0, half), b = xf.narrow(-1, half, half);
  at::Tensor out = at::empty_like(xf, at::MemoryFormat::Contiguous);
  if (rest > 0) out.narrow(-1, 2 * half, rest).copy_(xf.narrow(-1, 2 * half, rest));
  at::Tensor first = out.narrow(-1, 0, half), second = out.narrow(-1, half, half);
  first.copy_(a).mul_(cos).addcmul_(b, sin, -sign);
  second.copy_(b).mul_(cos).addcmul_(a, sin, sign);
  return out.to(x.scalar_type());
}

}  // namespace

at::Tensor rotate_halves(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                         double sign) {
  const bool kernel = has_cpu_kernel(x) && x.dim() == 3 && x.stride(2) == 1 &&
                      cos.is_contiguous() && sin.is_contiguous();
  if (!kernel) return rotate_by_operators(x, cos, sin, sign);
  const Heads heads{x.size(1), x.stride(1), x.size(2), cos.size(-1)};
  at::Tensor y = at::empty(x.sizes(), x.options());
  with_type(x, [&](auto t) {
    using T = decltype(t);
    const int64_t token = heads.heads * heads.size;
    at::parallel_for(0, x.size(0), rows_a_task(token), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n)
        rotate_token(x.const_data_ptr<T>() + n * x.stride(0),
                     cos.const_data_ptr<float>() + n * heads.half,
                     sin.const_data_ptr<float>() + n * heads.half,
                     y.mutable_data_ptr<T>() + n * token, heads, float(sign));
    });
  });
  return y;
}

}  // namespace tptt
