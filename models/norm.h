#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "models/model_config.h"

namespace tptt {

/// A frozen norm over the last dimension, computed in float32 inside: RMSNorm
/// x / sqrt(mean(x^2) + eps) * weight, or LayerNorm with or without parameters.
struct Norm {
  std::string name;  // Hugging Face module path; empty: there is none, and x passes
  NormConfig config;
  at::Tensor weight, bias;  // [E] or undefined

  at::Tensor forward(const at::Tensor& x) const;  // [.., E] -> [.., E]
};

}  // namespace tptt
