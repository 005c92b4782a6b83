#pragma once

#include <ATen/core/Tensor.h>

#include "models/liza/operator_mode.h"

namespace tptt {

/// Expands x [S, X, L, D] into `order` virtual tokens each, [S, X, L * order, D] (docs/liza.md):
/// dt: backward differences of order j divided by 2^j; rot: feature pairs turned by 2 pi j / order;
/// rdt: their mean. Positions before the start are zero.
at::Tensor virtual_tokens(const at::Tensor& x, Trick trick, int64_t order);

/// The same as Python tptt 0.12.1 expands: dt is a window of `order` tokens times binomial
/// coefficients over their absolute sum, newest first.
at::Tensor virtual_tokens_tptt(const at::Tensor& x, Trick trick, int64_t order);

}  // namespace tptt
