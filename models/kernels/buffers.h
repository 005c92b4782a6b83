#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

namespace tptt {

/// Working memory in float32.
inline at::Tensor floats(at::IntArrayRef shape) {
  return at::empty(shape, at::TensorOptions().dtype(at::kFloat));
}

/// [S, heads, L, D] whose tokens lie one after another, as projections have them.
inline at::Tensor by_token(int64_t sequences, int64_t heads, int64_t length, int64_t width,
                           at::ScalarType type) {
  return at::empty({sequences, length, heads, width}, at::TensorOptions().dtype(type))
      .transpose(1, 2);
}

/// x [S, heads, L, D] with the numbers of a row one after another.
inline at::Tensor rows_side_by_side(const at::Tensor& x) {
  return x.stride(3) == 1 ? x : x.contiguous();
}

}  // namespace tptt
