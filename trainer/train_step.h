#pragma once

#include <csignal>
#include <vector>

#include "trainer/ledger.h"
#include "trainer/train_setup.h"

namespace tptt {

struct StepResult {
  double loss = 0;  // mean over all targets of the step; of a transfer step the error left
  int64_t tokens = 0, targets = 0;
  bool transfer = false;  // the memories alone learned
  bool stop = false;      // a process of the group is to stop
};

/// Seconds, the device waited for after each part.
struct StepTimes {
  double data = 0, forward = 0, backward = 0;
};

struct StepOptions {
  std::vector<LayerLedger>* ledger = nullptr;  // takes what the memories did, first micro-batch
  StepTimes* times = nullptr;                  // takes what each part took
  const volatile std::sig_atomic_t* signal = nullptr;  // not 0: this process is to stop
};

/// Loss and gradients of optimiser step `step` (from 0): the summed loss of its micro-batches
/// divided by all their targets, so that the way it is split, over processes too, changes nothing.
/// In the first liza.transfer_steps steps the memories' gradients of transfer_loss instead. Throws
/// Error.
StepResult compute_step(TrainingSetup& setup, int64_t step, const StepOptions& options = {});

/// Operations of a LoRA step: forward and input gradients through every frozen weight; of a
/// transfer step the layers' forward.
double step_flops(CausalLM& model, const StepResult& result);

}  // namespace tptt
