#pragma once

#include <ATen/core/Tensor.h>

namespace tptt {

/// x / sqrt(mean(x^2) + eps) * weight over the last dimension, in float32 inside (as Hugging Face's
/// LlamaRMSNorm). x [.., E], weight [E] frozen.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

}  // namespace tptt
