#pragma once

#include <ATen/core/Tensor.h>

namespace tptt {

/// (1 - mu) soft + mu lin sqrt((mean soft^2 + eps) / (mean lin^2 + eps)), the means over D: the
/// memory in the size of the softmax, mixed in one pass. soft [N, H, D] float32 or bfloat16, lin
/// [N, H, D] and mu [H] float32, all on the CPU; gives soft's type.
at::Tensor matched_mix(const at::Tensor& soft, const at::Tensor& lin, const at::Tensor& mu,
                       double eps);

struct MatchedMixGradients {
  at::Tensor soft, lin, mu;
};

/// Its gradients, g [N, H, D] the one of its result.
MatchedMixGradients matched_mix_backward(const at::Tensor& g, const at::Tensor& soft,
                                         const at::Tensor& lin, const at::Tensor& mu, double eps);

}  // namespace tptt
