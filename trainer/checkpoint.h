#pragma once

#include "trainer/train_setup.h"

namespace tptt {

/// Writes a checkpoint of setup.state, by process 0. Throws Error.
void save_checkpoint(TrainingSetup& setup);

/// The state of the checkpoint that setup.dir goes on from, in every process; none: the beginning.
TrainingState read_training_state(const ProcessGroup& group, const RunDir* dir);

/// The adapter and the moments of that checkpoint; process 0 reads, the others get its values.
/// Throws Error.
void restore_tensors(TrainingSetup& setup);

/// The adapter of a checkpoint, the best one, in every process. Throws Error.
void load_adapter_of_step(TrainingSetup& setup, int64_t step);

/// What adapters say of themselves.
AdapterConfig adapter_config_of(const TrainingSetup& setup);

}  // namespace tptt
