#pragma once

#include "models/causal_lm.h"

namespace tptt {

/// All layers, each a node that keeps its input alone and computes the layer again in the backward,
/// dropout masks included: the same gradients for a layer's memory instead of all layers'.
at::Tensor checkpointed_layers(const CausalLM& model, const at::Tensor& x,
                               const AttentionContext& context);  // [N, E] -> [N, E]

}  // namespace tptt
