#pragma once

#include <ATen/core/Tensor.h>

namespace tptt {

// LoRA's products, whose one side is only r long. On the CPU x and y are read in their own type and
// everything is summed in float32; elsewhere they are matrix products in x's type.

/// x [N, size] m^T -> [N, r], float32, with m [r, size] float32.
at::Tensor low_rank_down(const at::Tensor& x, const at::Tensor& m);

/// y [N, size] += scale h m, with h [N, r] and m [r, size] float32.
void low_rank_up_(const at::Tensor& y, const at::Tensor& h, const at::Tensor& m, double scale);

/// h^T x -> [r, size], float32, with h [N, r] float32 and x [N, size].
at::Tensor low_rank_outer(const at::Tensor& h, const at::Tensor& x);

}  // namespace tptt
