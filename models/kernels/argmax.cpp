#include "models/kernels/argmax.h"

#include <ATen/TensorOperators.h>

#include <limits>

#include "models/kernels/dispatch.h"
#include "models/kernels/simd.h"

namespace tptt {
namespace {

template <class T>
TPTT_INLINE int64_t argmax(const T* x, int64_t size) {
  float largest = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < size; ++i) largest = load(x, i) > largest ? load(x, i) : largest;
  int64_t i = 0;
  while (i < size && load(x, i) != largest) ++i;
  return i < size ? i : 0;
}

TPTT_SIMD int64_t argmax_row(const float* x, int64_t size) {
  return argmax(x, size);
}

TPTT_SIMD int64_t argmax_row(const c10::BFloat16* x, int64_t size) {
  return argmax(x, size);
}

}  // namespace

std::vector<int64_t> argmax_rows(const at::Tensor& given) {
  if (!has_cpu_kernel(given)) {
    const at::Tensor best = given.argmax(-1).to(at::kCPU);
    return {best.const_data_ptr<int64_t>(), best.const_data_ptr<int64_t>() + best.numel()};
  }
  const at::Tensor x = given.contiguous();
  std::vector<int64_t> best;
  with_type(x, [&](auto t) {
    for (int64_t row = 0; row < x.size(0); ++row)
      best.push_back(argmax_row(x.const_data_ptr<decltype(t)>() + row * x.size(1), x.size(1)));
  });
  return best;
}

}  // namespace tptt
