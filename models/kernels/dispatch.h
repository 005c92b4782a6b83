#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>

namespace tptt {

/// Whether our own loops take the tensor; others (CUDA, float64) go through ATen's operators.
inline bool has_cpu_kernel(const at::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

/// f(T) with a value of x's element type.
template <class F>
void with_type(const at::Tensor& x, const F& f) {
  if (x.scalar_type() == at::kFloat) return f(float());
  f(c10::BFloat16());
}

/// at::parallel_for's grain: about 16,000 numbers.
inline int64_t rows_a_task(int64_t size) {
  return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, size));
}

/// Where each of the S * H * L rows of x [S, H, L, D], however it lies, begins.
struct RowOffsets {
  explicit RowOffsets(const at::Tensor& x)
      : heads(x.size(1)),
        length(x.size(2)),
        by_sequence(x.stride(0)),
        by_head(x.stride(1)),
        by_token(x.stride(2)) {}

  int64_t operator()(int64_t row) const {
    const int64_t head = row / length;
    return head / heads * by_sequence + head % heads * by_head + row % length * by_token;
  }

  int64_t heads, length, by_sequence, by_head, by_token;
};

}  // namespace tptt
