#pragma once

#include "trainer/run_text.h"
#include "trainer/train_setup.h"

namespace tptt {

/// What the run will do, in numbers.
RunHead describe_run(const TrainingSetup& setup);

}  // namespace tptt
