#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>

namespace tptt {

/// act(gate) * up, shapes [N, I]; rows may lie apart (halves of one projection).
at::Tensor gated_forward(const at::Tensor& gate, const at::Tensor& up, const std::string& act);

/// The gradients of gate and up; act(gate) is computed again.
std::pair<at::Tensor, at::Tensor> gated_backward(const at::Tensor& g, const at::Tensor& gate,
                                                 const at::Tensor& up, const std::string& act);

/// One of silu (swish), relu, gelu, gelu_new, gelu_pytorch_tanh.
at::Tensor activate(const at::Tensor& x, const std::string& act);

}  // namespace tptt
