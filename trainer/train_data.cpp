#include "trainer/train_data.h"

#include <algorithm>
#include <cmath>

#include "models/formats/error.h"
#include "trainer/log.h"

namespace tptt {
namespace {

std::vector<Example> load_examples(const std::vector<DataFile>& files, Config& config,
                                   const Tokenizer& tokenizer, int32_t eos, const char* what) {
  std::vector<Row> rows;
  for (const DataFile& file : files)
    for (Row& row : read_rows(file.path, file.format, file.limit)) rows.push_back(std::move(row));
  if (rows.empty()) return {};
  if (std::any_of(rows.begin(), rows.end(), [](const Row& r) { return !r.messages.empty(); }))
    config.data.chat_template = resolve_chat_template(config.data.chat_template, tokenizer);
  TokenizeOptions options;
  options.chat_template = config.data.chat_template;
  options.max_length = config.data.max_length;
  options.excess_length_strategy = config.data.excess_length_strategy;
  options.completion_only_loss = config.data.completion_only_loss;
  TokenizedRows tokenized = tokenize_rows(rows, tokenizer, eos, options);
  if (tokenized.num_truncated > 0 || tokenized.num_dropped > 0)
    log_warning(std::string("data.") + what + ": " + std::to_string(tokenized.num_truncated) +
                " of " + std::to_string(rows.size()) + " rows truncated to data.max_length, " +
                std::to_string(tokenized.num_dropped) + " dropped");
  return std::move(tokenized.examples);
}

int64_t items_per_step(const Config& config) {
  return config.training.per_device_train_batch_size * config.training.gradient_accumulation_steps;
}

}  // namespace

TrainingData load_training_data(Config& config, const Tokenizer& tokenizer,
                                const ModelConfig& model) {
  if (!model.embed_positions.empty() && config.data.max_length > model.max_position_embeddings)
    throw UsageError("data.max_length: " + std::to_string(config.data.max_length) +
                     " is more than the " + std::to_string(model.max_position_embeddings) +
                     " positions this " + model.model_type + " model has learned; lower it");
  const int32_t eos = model.first_eos();
  TrainingData data;
  data.train = load_examples(config.data.train, config, tokenizer, eos, "train");
  data.eval = load_examples(config.data.eval, config, tokenizer, eos, "eval");
  if (config.data.packing) {
    data.items = pack_best_fit(data.train, config.data.max_length);
  } else {
    for (int64_t i = 0; i < int64_t(data.train.size()); ++i) data.items.push_back({i});
  }
  return data;
}

int64_t steps_per_epoch(const Config& config, const TrainingData& data) {
  return (int64_t(data.items.size()) + items_per_step(config) - 1) / items_per_step(config);
}

int64_t total_steps(const Config& config, const TrainingData& data) {
  if (config.training.max_steps > 0) return config.training.max_steps;
  const double steps = config.training.num_train_epochs * double(steps_per_epoch(config, data));
  return std::max<int64_t>(1, int64_t(std::ceil(steps)));
}

std::vector<Batch> step_batches(const Config& config, const TrainingData& data, int64_t vocab_size,
                                at::Device device, int64_t step) {
  const TrainingSection& t = config.training;
  const int64_t per_epoch = steps_per_epoch(config, data), count = int64_t(data.items.size());
  const auto order = epoch_order(count, uint64_t(t.seed), step / per_epoch, config.data.shuffle);
  const int64_t size = t.per_device_train_batch_size;
  const int64_t begin = step % per_epoch * items_per_step(config);
  const int64_t end = std::min(count, begin + items_per_step(config));
  std::vector<Batch> batches;
  for (int64_t at = begin; at < end; at += size) {
    std::vector<int64_t> examples;
    for (int64_t i = at; i < std::min(end, at + size); ++i)
      examples.insert(examples.end(), data.items[order[i]].begin(), data.items[order[i]].end());
    batches.push_back(collate(data.train, examples, vocab_size, device));
  }
  return batches;
}

}  // namespace tptt
