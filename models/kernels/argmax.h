#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace tptt {

/// Where each row of x [rows, size] is largest, the first of equals: [rows]. NaN counts only where
/// a row has nothing else, and gives 0.
std::vector<int64_t> argmax_rows(const at::Tensor& x);

}  // namespace tptt
