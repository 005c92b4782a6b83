#pragma once

#include <ATen/core/Tensor.h>

namespace tptt {

/// The pairs (i, half + i) of x [N, H, D] turned by the angles whose cos and sin are [N, 1, half]
/// (sign -1: back); what lies behind 2 half stays. Computed in float32.
at::Tensor rotate_halves(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                         double sign);

}  // namespace tptt
