#pragma once

#include <vector>

#include "data/collate.h"
#include "data/dataset.h"
#include "models/formats/model_files.h"
#include "trainer/config.h"
#include "trainer/launch.h"

namespace tptt {

/// What a run trains and evaluates on, as token ids.
struct TrainingData {
  std::vector<Example> train, eval;
  std::vector<std::vector<int64_t>> items;  // what a batch counts: the examples of a pack, or one
  std::vector<Row> first_rows;              // ten that are held out, or trained on where none is
  int64_t micro_batches = 1;                // of an optimiser step, over all processes
};

/// Reads, tokenises and packs the files of config.data; `chat_template: auto` becomes the name it
/// stands for. `micro_batches` is what TrainingData has of that name. Throws Error / UsageError.
TrainingData load_training_data(Config& config, const Tokenizer& tokenizer, const ModelFiles& files,
                                int64_t micro_batches);

int64_t steps_per_epoch(const Config& config, const TrainingData& data);

/// training.max_steps, or what num_train_epochs gives.
int64_t total_steps(const Config& config, const TrainingData& data);

/// What an optimiser step works with.
struct StepBatches {
  std::vector<Batch> batches;       // of the share
  std::vector<uint64_t> numbers;    // theirs among the step's micro-batches
  int64_t tokens = 0, targets = 0;  // of all shares
};

/// The micro-batches of optimiser step `step` (from 0); they follow from the seed and the step
/// alone.
StepBatches step_batches(const Config& config, const TrainingData& data, int64_t vocab_size,
                         at::Device device, int64_t step, Share share = {});

/// Of the first epoch's steps, that with the most tokens, tokens of the largest micro-batch, and
/// whether others have fewer.
struct LargestStep {
  int64_t step = 0, tokens = 0, micro_batch = 0;
  bool varies = false;
};
LargestStep largest_step(const Config& config, const TrainingData& data);

}  // namespace tptt
