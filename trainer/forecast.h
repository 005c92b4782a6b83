#pragma once

#include "models/causal_lm.h"
#include "trainer/train_data.h"

namespace tptt {

/// Tokens of the largest micro-batch that the configuration can make of the data.
int64_t largest_micro_batch(const Config& config, const TrainingData& data);

/// Roughly what the layers keep for the backward of so many tokens without gradient checkpointing:
/// the inputs and outputs of their Linears, and with a memory its raw projections and branches.
double activation_bytes(CausalLM& model, int64_t tokens);

}  // namespace tptt
