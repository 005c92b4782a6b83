#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "models/frozen_weight.h"

namespace tptt {

/// Whether x W^T is for `few_rows_mm`: so few rows of x that reading W is what takes the time.
bool has_few_rows(const at::Tensor& x, const FrozenWeight& weight);

/// x [M, in] W^T [in, out] -> [M, out] of several weights, each read once, all in one turn of the
/// threads. Sums in float32, packed rows decoded to it. No gradients.
std::vector<at::Tensor> few_rows_mm(const at::Tensor& x,
                                    const std::vector<const FrozenWeight*>& weights);

}  // namespace tptt
