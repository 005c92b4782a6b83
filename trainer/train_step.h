#pragma once

#include <vector>

#include "trainer/ledger.h"
#include "trainer/train_setup.h"

namespace tptt {

struct StepResult {
  double loss = 0;  // mean over all targets of the step
  int64_t tokens = 0, targets = 0;
};

/// Seconds, the device waited for after each part.
struct StepTimes {
  double data = 0, forward = 0, backward = 0;
};

/// Loss and gradients of optimiser step `step` (from 0): the summed loss of its micro-batches
/// divided by all their targets, so that the way it is split changes nothing. `ledger`, when given,
/// takes what the memories did in the first micro-batch; `times` what each part took.
StepResult compute_step(TrainingSetup& setup, int64_t step, std::vector<LayerLedger>* ledger,
                        StepTimes* times = nullptr);

/// Operations of a LoRA step: forward and input gradients through every frozen weight.
double step_flops(CausalLM& model, const StepResult& result);

}  // namespace tptt
