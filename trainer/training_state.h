#pragma once

#include <cstdint>
#include <string>

#include "trainer/best.h"

namespace tptt {

/// How far a run is; with the adapter and the optimiser's moments, all that a checkpoint needs to
/// go on exactly. Data order and dropout follow from the seed and the step.
struct TrainingState {
  int64_t step = 0;             // that many are done
  int64_t optimizer_steps = 0;  // of them, those that were not skipped
  int64_t skipped_in_a_row = 0;
  int64_t micro_batches = 0;  // of a step, over all processes; 0: not said
  double eval_loss_before = 0;
  Best best;
};

/// trainer.json, and back. Throws Error that names `where`.
std::string to_json_text(const TrainingState& state);
TrainingState training_state_from_json(const std::string& text, const std::string& where);

}  // namespace tptt
