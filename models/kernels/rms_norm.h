#pragma once

#include <ATen/core/Tensor.h>

namespace tptt {

/// y = w xhat with xhat = x r, r = rsqrt(mean(x^2) + eps) in float32, over the last dimension of x
/// [..., E]. xhat is rounded to w's type (Transformers); y has x's. Returns y and r [..., 1].
std::pair<at::Tensor, at::Tensor> rms_norm_forward(const at::Tensor& x, const at::Tensor& weight,
                                                   double eps);

/// dx = r (gw - xhat mean(gw xhat)) with gw = g w; no gradient for w.
at::Tensor rms_norm_backward(const at::Tensor& g, const at::Tensor& x, const at::Tensor& weight,
                             const at::Tensor& r);

}  // namespace tptt
