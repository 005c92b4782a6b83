#pragma once

#include "trainer/train_setup.h"

namespace tptt {

/// Prints what the run will take, measured, not guessed: its largest step of the first epoch is
/// computed twice, without an update. Throws Error when the loss is not finite.
void dry_run(TrainingSetup& setup);

}  // namespace tptt
