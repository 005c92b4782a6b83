#pragma once

#include "trainer/run_text.h"
#include "trainer/train_setup.h"

namespace tptt {

/// Writes run.json: versions, device, counts, and a sum of every file the run reads, so that one
/// can tell whether another run read the same. Throws Error.
void write_run_json(const TrainingSetup& setup, const RunHead& head);

}  // namespace tptt
