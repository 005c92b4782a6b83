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
  bool has_bias = false;
  double share = 1;   // of the tokens that reach it (a mixture's experts)
  at::Tensor weight;  // [out, in], base dtype
  at::Tensor bias;    // [out] or undefined
  std::optional<Lora> lora;

  at::Tensor forward(const at::Tensor& x, const Dropout& dropout) const;  // [N, in] -> [N, out]
};

/// A Linear that waits for its weights.
Linear make_linear(const std::string& name, int64_t in, int64_t out, bool bias);

}  // namespace tptt
