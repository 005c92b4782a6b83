#pragma once

#include <ATen/core/Tensor.h>

namespace tptt {

/// Whether x W^T is for `few_rows_mm`: so few rows of x that reading W is what takes the time.
bool has_few_rows(const at::Tensor& x, const at::Tensor& weight);

/// x [M, in] W^T [in, out] -> [M, out], each weight read once; sums in float32. No gradients.
at::Tensor few_rows_mm(const at::Tensor& x, const at::Tensor& weight);

}  // namespace tptt
