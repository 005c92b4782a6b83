#pragma once

#include "data/collate.h"
#include "models/causal_lm.h"

namespace tptt {

/// Rows of logits that exist at once, of so many in all: as even as may be, enough for the head's
/// product to be fast.
int64_t loss_rows(int64_t all);

/// Sum of the cross-entropies of targets [M] under the model's head (soft cap included) on rows
/// [M, E], float32 scalar. Logits exist for one chunk of rows at a time, in the forward and the
/// backward: all gradients are taken chunk by chunk in the forward. `dropout` is for a head with
/// LoRA.
at::Tensor sum_cross_entropy(const CausalLM& model, const at::Tensor& rows,
                             const at::Tensor& targets, const Dropout& dropout = {});

/// Attention transfer over a batch: leaves in the memories' tensors the gradients of `weight` times
/// the mean over layers of the share of the window's error that is left (Transfer), and returns it.
at::Tensor transfer_loss(const CausalLM& model, const Batch& batch, double weight);

/// Sum of the losses over the batch's targets.
at::Tensor batch_loss(const CausalLM& model, const Batch& batch,
                      const ForwardOptions& options = {});

}  // namespace tptt
