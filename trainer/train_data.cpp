#include "trainer/train_data.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "data/token_cache.h"
#include "models/formats/error.h"
#include "trainer/log.h"
#include "trainer/row_files.h"

namespace tptt {
namespace {

bool any_chat(const RowFiles& files) {
  for (const auto* side : {&files.train, &files.eval})
    for (const HashedRows& file : *side)
      for (const Row& row : file.rows)
        if (!row.messages.empty()) return true;
  return false;
}

TokenizeOptions tokenize_options(const Config& config) {
  return {.chat_template = config.data.chat_template,
          .max_length = config.data.max_length,
          .excess_length_strategy = config.data.excess_length_strategy,
          .completion_only_loss = config.data.completion_only_loss,
          .assistant_only_loss = config.data.assistant_only_loss,
          .num_threads = config.training.num_threads};
}

/// Tokenises file after file.
class Loader {
 public:
  Loader(const Config& config, const Tokenizer& tokenizer, const ModelFiles& files,
         int32_t eos_token_id)
      : config_(config),
        tokenizer_(tokenizer),
        tokenizer_hash_(tokenizer_hash(files)),
        eos_token_id_(eos_token_id),
        options_(tokenize_options(config)) {}

  // Held-out rows go to `eval`, the others as often as the file's weight says to `train`.
  void load_train(const HashedRows& file, size_t index, TrainingData& data) const {
    const DataFile& source = config_.data.train[index];
    TokenizedRows tokens = tokenize(file, source.path);
    std::vector<std::vector<Example>> kept;
    for (size_t i = 0, row = SIZE_MAX; i < tokens.examples.size(); ++i) {
      const bool held_out = file.held_out[size_t(tokens.rows[i])];
      if (!held_out && std::exchange(row, size_t(tokens.rows[i])) != row) kept.emplace_back();
      (held_out ? data.eval : kept.back()).push_back(std::move(tokens.examples[i]));
    }
    const auto picked = weighted_rows(int64_t(kept.size()), source.weight,
                                      uint64_t(config_.training.seed), int64_t(index));
    if (picked.empty())
      throw UsageError("data.train: " + source.path + " with weight " +
                       std::to_string(source.weight) + " gives none of its " +
                       std::to_string(kept.size()) + " rows to train on");
    for (const int64_t row : picked)
      data.train.insert(data.train.end(), kept[size_t(row)].begin(), kept[size_t(row)].end());
  }

  void load_eval(const HashedRows& file, const std::string& path, TrainingData& data) const {
    TokenizedRows tokens = tokenize(file, path);
    std::move(tokens.examples.begin(), tokens.examples.end(), std::back_inserter(data.eval));
  }

 private:
  TokenizedRows tokenize(const HashedRows& file, const std::string& path) const {
    CachedTokens cached = tokenize_cached(file.rows, file.hashes, tokenizer_, tokenizer_hash_,
                                          eos_token_id_, options_, token_cache_dir());
    if (!cached.problem.empty()) log_warning("token cache: " + cached.problem);
    const TokenizedRows& tokens = cached.tokens;
    log_info(path + ": " + std::to_string(tokens.examples.size()) + " examples" +
             (cached.from_cache ? ", tokens from cache; " : "; ") +
             std::to_string(tokens.num_truncated) + " rows truncated, " +
             std::to_string(tokens.num_split) + " split, " + std::to_string(tokens.num_dropped) +
             " dropped");
    return std::move(cached.tokens);
  }

  const Config& config_;
  const Tokenizer& tokenizer_;
  Digest tokenizer_hash_;
  int32_t eos_token_id_;
  TokenizeOptions options_;
};

void load_examples(const RowFiles& rows, const Loader& loader, const Config& config,
                   TrainingData& data) {
  for (size_t i = 0; i < rows.train.size(); ++i) loader.load_train(rows.train[i], i, data);
  for (size_t i = 0; i < rows.eval.size(); ++i)
    loader.load_eval(rows.eval[i], config.data.eval[i].path, data);
  if (config.data.eval_split > 0 && data.eval.empty())
    throw UsageError(
        "data.eval_split: none of the rows held out has an answer within "
        "data.max_length; raise one of them");
  log_info(std::to_string(data.train.size()) + " examples to train on, " +
           std::to_string(data.eval.size()) + " held out");
}

constexpr size_t kFirstRows = 10;

std::vector<Row> first_rows(const RowFiles& files) {
  std::vector<Row> held_out, trained;
  const auto add = [](std::vector<Row>& to, const Row& row) {
    if (to.size() < kFirstRows) to.push_back(row);
  };
  for (const HashedRows& file : files.eval)
    for (const Row& row : file.rows) add(held_out, row);
  for (const HashedRows& file : files.train)
    for (size_t i = 0; i < file.rows.size(); ++i)
      add(file.held_out[i] ? held_out : trained, file.rows[i]);
  return held_out.empty() ? trained : held_out;
}

void make_items(const Config& config, TrainingData& data) {
  if (config.data.packing) {
    data.items = pack_best_fit(data.train, config.data.max_length);
    log_info("packed into " + std::to_string(data.items.size()) + " sequences of at most " +
             std::to_string(config.data.max_length) + " tokens");
  } else {
    for (int64_t i = 0; i < int64_t(data.train.size()); ++i) data.items.push_back({i});
  }
}

std::vector<int64_t> order_of(const Config& config, const TrainingData& data, int64_t batch_size,
                              int64_t epoch) {
  const auto seed = uint64_t(config.training.seed);
  if (!config.data.group_by_length)
    return epoch_order(int64_t(data.items.size()), seed, epoch, config.data.shuffle);
  std::vector<int64_t> lengths;
  for (const std::vector<int64_t>& item : data.items)
    lengths.push_back(int64_t(data.train[size_t(item[0])].ids.size()));
  return length_grouped_order(lengths, batch_size, seed, epoch);
}

int64_t items_per_step(const Config& config, const TrainingData& data) {
  return config.training.per_device_train_batch_size * data.micro_batches;
}

// The examples of each micro-batch of a step of an epoch in this order.
std::vector<std::vector<int64_t>> micro_batches(const Config& config, const TrainingData& data,
                                                const std::vector<int64_t>& order, int64_t step) {
  const int64_t size = config.training.per_device_train_batch_size;
  const int64_t begin = step * items_per_step(config, data);
  const int64_t end = std::min(int64_t(data.items.size()), begin + items_per_step(config, data));
  std::vector<std::vector<int64_t>> batches;
  for (int64_t at = begin; at < end; at += size) {
    std::vector<int64_t>& examples = batches.emplace_back();
    for (int64_t i = at; i < std::min(end, at + size); ++i) {
      const auto& item = data.items[size_t(order[size_t(i)])];
      examples.insert(examples.end(), item.begin(), item.end());
    }
  }
  return batches;
}

}  // namespace

TrainingData load_training_data(Config& config, const Tokenizer& tokenizer, const ModelFiles& files,
                                int64_t micro_batches) {
  const ModelConfig model = read_model_config(files);
  if (!model.embed_positions.empty() && config.data.max_length > model.max_position_embeddings)
    throw UsageError("data.max_length: " + std::to_string(config.data.max_length) +
                     " is more than the " + std::to_string(model.max_position_embeddings) +
                     " positions this " + model.model_type + " model has learned; lower it");
  const RowFiles rows = read_row_files(config);
  if (any_chat(rows))
    config.data.chat_template = resolve_chat_template(config.data.chat_template, tokenizer);
  TrainingData data;
  data.micro_batches = micro_batches;
  load_examples(rows, Loader(config, tokenizer, files, model.first_eos()), config, data);
  make_items(config, data);
  data.first_rows = first_rows(rows);
  return data;
}

int64_t steps_per_epoch(const Config& config, const TrainingData& data) {
  return (int64_t(data.items.size()) + items_per_step(config, data) - 1) /
         items_per_step(config, data);
}

int64_t total_steps(const Config& config, const TrainingData& data) {
  if (config.training.max_steps > 0) return config.training.max_steps;
  const double steps = config.training.num_train_epochs * double(steps_per_epoch(config, data));
  return std::max<int64_t>(1, int64_t(std::ceil(steps)));
}

StepBatches step_batches(const Config& config, const TrainingData& data, int64_t vocab_size,
                         at::Device device, int64_t step, Share share) {
  const int64_t per_epoch = steps_per_epoch(config, data);
  const auto order = order_of(config, data, items_per_step(config, data), step / per_epoch);
  const auto all = micro_batches(config, data, order, step % per_epoch);
  StepBatches found;
  for (size_t number = 0; number < all.size(); ++number) {
    for (const int64_t example : all[number]) {
      found.tokens += int64_t(data.train[size_t(example)].ids.size());
      found.targets += data.train[size_t(example)].num_target_tokens();
    }
    if (!share.has(int64_t(number))) continue;
    found.batches.push_back(collate(data.train, all[number], vocab_size, device));
    found.numbers.push_back(number);
  }
  return found;
}

LargestStep largest_step(const Config& config, const TrainingData& data) {
  const auto order = order_of(config, data, items_per_step(config, data), 0);
  const int64_t steps = std::min(total_steps(config, data), steps_per_epoch(config, data));
  LargestStep largest;
  for (int64_t step = 0; step < steps; ++step) {
    int64_t all = 0;
    for (const auto& examples : micro_batches(config, data, order, step)) {
      int64_t tokens = 0;
      for (const int64_t example : examples)
        tokens += int64_t(data.train[size_t(example)].ids.size());
      all += tokens;
      largest.varies |= largest.micro_batch > 0 && tokens != largest.micro_batch;
      largest.micro_batch = std::max(largest.micro_batch, tokens);
    }
    if (all > largest.tokens) largest.step = step, largest.tokens = all;
  }
  return largest;
}

}  // namespace tptt
