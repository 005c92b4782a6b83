#include "models/host_tensor.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

namespace tptt {

at::Tensor host_tensor(const std::vector<int64_t>& numbers, at::Device device) {
  const at::Tensor x = at::tensor(numbers, at::TensorOptions().dtype(at::kLong));
  if (!device.is_cuda()) return x.to(device);
  return x.pin_memory().to(device, /*non_blocking=*/true);
}

}  // namespace tptt
