#pragma once

#include <ATen/core/Tensor.h>

namespace tptt {

/// sigmoid of the mean of tokens t-2, t-1 and t, before the start x_0 again: what the memory writes
/// with. x [S, G, L, D] float32 on the CPU with rows contiguous; gives contiguous [S, G, L, D].
at::Tensor pooled_gate(const at::Tensor& x);

/// Its gradient by x; g and the gate [S, G, L, D].
at::Tensor pooled_gate_backward(const at::Tensor& g, const at::Tensor& gate);

}  // namespace tptt
