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
#include "trainer/gradient_sync.h"
#include "trainer/process_group.h"
#include "trainer/run_dir.h"
#include "trainer/train.h"
#include "trainer/train_data.h"
#include "trainer/training_state.h"

namespace tptt {

/// All that a run works with, read, checked and on its device.
struct TrainingSetup {
  ProcessGroup group;
  Share share;    // this process's of each step; of a dry run that of one of many processes
  Config config;  // with what each `auto` stands for
  ModelFiles files;
  std::string base_name;      // as adapters name it
  std::optional<RunDir> dir;  // none: a dry run, or not process 0
  Json file_sums;             // of the base's and the data's files; null: a dry run
  TrainingState state;        // where the run begins, then how far it is
  std::unique_ptr<Tokenizer> tokenizer;
  TrainingData data;
  std::vector<Task> benchmarks;     // of `evaluation:`
  std::unique_ptr<CausalLM> model;  // with its adapter
  std::unique_ptr<AdamW> optimizer;
  std::unique_ptr<GradientSync> gradient_sync;  // none: a process alone
  int64_t total_steps = 0;
  bool moved = false;  // an update was made, and the adapter seen to change
};

/// Joins the other processes, if there are any, and opens the run directory (process 0) before
/// anything takes long. Throws Error / UsageError.
TrainingSetup set_up_training(Config config, const TrainFlags& flags);

}  // namespace tptt
