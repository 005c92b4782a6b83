#pragma once

#include "trainer/run_text.h"
#include "trainer/train_setup.h"

namespace tptt {

/// Sums of the files of the base model and of the data. Throws UsageError when one is another than
/// when the run that is resumed began, or than process 0 has.
Json check_file_sums(const TrainingSetup& setup);

/// Writes run.json: versions, device, counts, and a sum of every file the run reads, so that one
/// can tell whether another run read the same. Throws Error.
void write_run_json(const TrainingSetup& setup, const RunHead& head);

}  // namespace tptt
