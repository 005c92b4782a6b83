#pragma once

#include <ATen/core/Tensor.h>

#include "models/dropout.h"

namespace tptt {

// LoRA's products, whose one side is only r long. On the CPU x and y are read in their own type and
// everything is summed in float32; elsewhere they are matrix products in x's type. dropped() puts 0
// where the mask of the [N, size] numbers says so, and scales nothing.

/// dropped(x) m^T -> [N, r], float32, with x [N, size] and m [r, size] float32.
at::Tensor low_rank_down(const at::Tensor& x, const at::Tensor& m, const DropoutMask& mask = {});

/// y [N, size] += scale dropped(h m), with h [N, r] and m [r, size] float32.
void low_rank_up_(const at::Tensor& y, const at::Tensor& h, const at::Tensor& m, double scale,
                  const DropoutMask& mask = {});

/// h^T dropped(x) -> [r, size], float32, with h [N, r] float32 and x [N, size].
at::Tensor low_rank_outer(const at::Tensor& h, const at::Tensor& x, const DropoutMask& mask = {});

}  // namespace tptt
