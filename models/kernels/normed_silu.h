#pragma once

#include <ATen/core/Tensor.h>

namespace tptt {

/// silu(x) / max(|silu(x)|, 1e-6), the norm over the last dimension: what the memory reads and
/// writes with. x [S, H, L, D] float32 on the CPU with rows contiguous; gives contiguous [S, H, L,
/// D].
at::Tensor normed_silu(const at::Tensor& x);

/// Its gradient by x, g [S, H, L, D] the one of its result.
at::Tensor normed_silu_backward(const at::Tensor& g, const at::Tensor& x);

}  // namespace tptt
