#include "trainer/train_data.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "models/formats/error.h"
#include "trainer/config_keys.h"
#include "trainer/log.h"

namespace tptt {
namespace {

ReadOptions read_options(const DataFile& file, const DataSection& data) {
  ReadOptions options{.format = file.format,
                      .limit = file.limit,
                      .prompt_template = data.prompt_template,
                      .skip_bad_rows = data.skip_bad_rows};
  visit_keys(data.columns,
             [&](const char* known, const std::string& theirs, const Rule&, const char*) {
               if (!theirs.empty()) options.columns.emplace_back(known, theirs);
             });
  return options;
}

// One line a file, and what was wrong with it.
void report(const std::string& path, const RowFile& file, const char* what) {
  log_info(std::string(what) + ": " + path + " is " + file.kind + ", format " + file.format + ", " +
           std::to_string(file.rows.size()) + " rows");
  for (const std::string& bad : file.bad) log_warning("skipped " + bad);
  if (file.num_bad > 0)
    log_warning(path + ": " + std::to_string(file.num_bad) + " bad rows skipped (" +
                std::to_string(file.bad.size()) + " of them listed)");
}

std::vector<RowFile> read_files(const std::vector<DataFile>& files, const DataSection& data,
                                const char* what) {
  std::vector<RowFile> read;
  for (const DataFile& file : files) {
    read.push_back(read_row_file(file.path, read_options(file, data)));
    report(file.path, read.back(), what);
  }
  return read;
}

// A setting that nothing in the data answers to is a mistake.
void check_effect(const std::vector<RowFile>& files, const DataSection& data) {
  bool chats = false, completions = false, templates = false;
  std::set<std::string> found;
  for (const RowFile& file : files) {
    const Row& first = file.rows.front();
    chats |= !first.messages.empty();
    completions |= first.messages.empty() && !first.is_document;
    templates |= file.format == "template";
    found.insert(file.columns_found.begin(), file.columns_found.end());
  }
  for (const auto& [known, theirs] : read_options({}, data).columns)
    if (found.count(theirs) == 0)
      throw UsageError("data.columns." + known + ": no row has a field '" + theirs + "'");
  if (!data.prompt_template.empty() && !templates)
    throw UsageError(
        "data.prompt_template has no effect: every file is of a known format; leave it out, or set "
        "a file's format to template");
  if (!data.completion_only_loss && !completions)
    throw UsageError(
        "data.completion_only_loss: false has no effect: no row is of prompt and completion; of "
        "conversations data.assistant_only_loss decides");
  if (!data.assistant_only_loss && !chats)
    throw UsageError(
        "data.assistant_only_loss: false has no effect: no row is a conversation; of prompt and "
        "completion data.completion_only_loss decides");
}

std::vector<Example> load_examples(std::vector<RowFile> files, Config& config,
                                   const Tokenizer& tokenizer, int32_t eos, const char* what) {
  std::vector<Row> rows;
  for (RowFile& file : files)
    for (Row& row : file.rows) rows.push_back(std::move(row));
  if (rows.empty()) return {};
  if (std::any_of(rows.begin(), rows.end(), [](const Row& r) { return !r.messages.empty(); }))
    config.data.chat_template = resolve_chat_template(config.data.chat_template, tokenizer);
  TokenizeOptions options;
  options.chat_template = config.data.chat_template;
  options.max_length = config.data.max_length;
  options.excess_length_strategy = config.data.excess_length_strategy;
  options.completion_only_loss = config.data.completion_only_loss;
  options.assistant_only_loss = config.data.assistant_only_loss;
  options.num_threads = config.training.num_threads;
  TokenizedRows tokenized = tokenize_rows(rows, tokenizer, eos, options);
  log_info(std::string(what) + ": " + std::to_string(tokenized.examples.size()) + " examples; " +
           std::to_string(tokenized.num_truncated) + " rows truncated, " +
           std::to_string(tokenized.num_split) + " split, " +
           std::to_string(tokenized.num_dropped) + " dropped");
  return std::move(tokenized.examples);
}

int64_t items_per_step(const Config& config) {
  return config.training.per_device_train_batch_size * config.training.gradient_accumulation_steps;
}

}  // namespace

TrainingData load_training_data(Config& config, const Tokenizer& tokenizer,
                                const ModelFiles& files) {
  const ModelConfig model = read_model_config(files);
  if (!model.embed_positions.empty() && config.data.max_length > model.max_position_embeddings)
    throw UsageError("data.max_length: " + std::to_string(config.data.max_length) +
                     " is more than the " + std::to_string(model.max_position_embeddings) +
                     " positions this " + model.model_type + " model has learned; lower it");
  const int32_t eos = model.first_eos();
  TrainingData data;
  std::vector<RowFile> train = read_files(config.data.train, config.data, "train");
  check_effect(train, config.data);
  data.train = load_examples(std::move(train), config, tokenizer, eos, "train");
  data.eval = load_examples(read_files(config.data.eval, config.data, "eval"), config, tokenizer,
                            eos, "eval");
  if (config.data.packing) {
    data.items = pack_best_fit(data.train, config.data.max_length);
    log_info("packed into " + std::to_string(data.items.size()) + " sequences of at most " +
             std::to_string(config.data.max_length) + " tokens");
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
