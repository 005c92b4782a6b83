#pragma once

#include "models/causal_lm.h"
#include "trainer/train_setup.h"

namespace tptt {

/// What a step of so many tokens takes beside the weights: activations that wait for the backward,
/// the widest layer's gradients or a chunk of logits, the adapter's gradients and moments.
double step_bytes(CausalLM& model, int64_t tokens, bool gradient_checkpointing);

/// What steps of other lengths add to the largest one's: blocks that wait for their next use. At
/// most `peak` bytes of tensors are in use at once.
double waiting_bytes(const LargestStep& largest, double peak);

/// Peak resident memory of a run that has been set up, in GB: what there is now and a step of the
/// first epoch's largest micro-batch. On the CPU.
double memory_forecast(const TrainingSetup& setup);

}  // namespace tptt
