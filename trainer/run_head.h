#pragma once

#include "models/causal_lm.h"
#include "trainer/run_text.h"
#include "trainer/train_data.h"

namespace tptt {

/// What the run will do, in numbers.
RunHead describe_run(const Config& config, CausalLM& model, const TrainingData& data,
                     int64_t total_steps);

}  // namespace tptt
