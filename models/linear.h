#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

#include "models/dropout.h"

namespace tptt {

/// A low-rank adapter; A and B are always float32.
struct Lora {
  at::Tensor a;  // [r, in]
  at::Tensor b;  // [out, r]
  double scaling = 1;
  double dropout = 0;
  uint64_t module = 0;  // its number in the model, for the dropout key
};

/// A frozen weight and, where one was added, its LoRA. Families never see how the weight is stored.
struct Linear {
  std::string name;  // Hugging Face module path
  int64_t in = 0, out = 0;
  at::Tensor weight;  // [out, in], base dtype
  at::Tensor bias;    // [out] or undefined
  std::optional<Lora> lora;

  at::Tensor forward(const at::Tensor& x, const Dropout& dropout) const;  // [N, in] -> [N, out]
};

}  // namespace tptt
