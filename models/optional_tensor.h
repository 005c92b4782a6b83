#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace tptt {

// A custom autograd Function takes a tensor that may be missing as an optional, and saves it as an
// undefined one.

inline at::Tensor or_undefined(const std::optional<at::Tensor>& x) {
  return x.value_or(at::Tensor());
}

inline std::optional<at::Tensor> or_none(const at::Tensor& x) {
  return x.defined() ? std::optional(x) : std::nullopt;
}

}  // namespace tptt
