#pragma once

#include <ATen/core/Tensor.h>

#include "models/formats/levels.h"

namespace tptt {

/// The cross-entropy of each row of `logits` [C, V] against `targets` [C], float32. With
/// `need_grad` the logits become its gradient by them, softmax - onehot, in place; else they are
/// used up. `softcapping` above 0: the logits count as c tanh(logit / c) (Gemma 2).
at::Tensor cross_entropy_rows_(at::Tensor& logits, const at::Tensor& targets, double softcapping,
                               bool need_grad, Level level = levels().front());

}  // namespace tptt
