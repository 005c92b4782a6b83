#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace tptt {

/// The numbers [size] as int64 on the device. To a CUDA device from pinned memory, without waiting:
/// the host goes on to launch what uses them.
at::Tensor host_tensor(const std::vector<int64_t>& numbers, at::Device device);

}  // namespace tptt
