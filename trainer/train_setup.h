#pragma once

#include <memory>
#include <optional>
#include <string>

#include "data/tasks/task.h"
#include "models/causal_lm.h"
#include "models/formats/model_files.h"
#include "trainer/adamw.h"
#include "trainer/adapter_config.h"
#include "trainer/config.h"
#include "trainer/run_dir.h"
#include "trainer/train.h"
#include "trainer/train_data.h"

namespace tptt {

/// All that a run works with, read, checked and on its device.
struct TrainingSetup {
  Config config;  // with what each `auto` stands for
  ModelFiles files;
  std::string base_name;      // as adapters name it
  std::optional<RunDir> dir;  // none: a dry run
  std::unique_ptr<Tokenizer> tokenizer;
  TrainingData data;
  std::vector<Task> benchmarks;     // of `evaluation:`
  std::unique_ptr<CausalLM> model;  // with its adapter
  std::unique_ptr<AdamW> optimizer;
  int64_t total_steps = 0;
};

/// Opens the run directory before anything takes long. Throws Error / UsageError.
TrainingSetup set_up_training(Config config, const TrainFlags& flags);

}  // namespace tptt
