#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/liza/liza_config.h"
#include "models/lora_config.h"

namespace tptt {

struct ModelSection {
  std::string name_or_path;
  std::string adapter_name_or_path;   // empty: start from a fresh adapter
  std::string dtype = "auto";         // auto, float32, bfloat16
  std::string device = "auto";        // auto, cpu, cuda, cuda:N
  std::string quantization = "none";  // none, keep
};

struct DataFile {
  std::string path;
  std::string format = "auto";  // one of row_format_names()
  double weight = 1;            // how often an epoch has each row, on average
  int64_t limit = 0;            // 0: all rows
};

/// The files' names for the fields of the row formats; empty: the same.
struct DataColumns {
  std::string messages, conversations, instruction, input, output, prompt, completion, text;
};

struct DataSection {
  std::vector<DataFile> train;
  std::vector<DataFile> eval;
  double eval_split = 0;  // 0: none; below 1: a fraction of the training rows, else a count
  DataColumns columns;
  std::string prompt_template;  // of rows of no other format
  bool skip_bad_rows = false;
  std::string chat_template = "auto";
  int64_t max_length = 384;
  std::string excess_length_strategy = "truncate";  // truncate, drop, raise
  bool packing = true;
  bool group_by_length = false;
  bool completion_only_loss = true;  // of rows with prompt and completion
  bool assistant_only_loss = true;   // of conversations
  bool shuffle = true;
};

struct TrainingSection {
  std::string output_dir;
  double num_train_epochs = 3;
  int64_t max_steps = 0;                    // 0: as many as num_train_epochs gives
  int64_t per_device_train_batch_size = 8;  // rows, or packs of max_length tokens with packing
  int64_t per_device_eval_batch_size = 8;
  int64_t gradient_accumulation_steps = 1;
  double learning_rate = 5e-4;
  std::string lr_scheduler_type = "linear";  // linear, cosine, constant, constant_with_warmup, wsd
  double min_lr_ratio = 0;                   // where linear, cosine and wsd end
  double warmup_steps = 0;                   // below 1: a fraction of all steps
  double weight_decay = 0;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adam_epsilon = 1e-8;
  double max_grad_norm = 1.0;
  std::string gradient_checkpointing = "auto";  // auto, true, false
  int64_t logging_steps = 1;
  std::string eval_strategy = "steps";  // no, steps, epoch
  int64_t eval_steps = 0;               // 0: at the end only
  std::string save_strategy = "steps";  // no, steps, epoch
  int64_t save_steps = 0;               // 0: at the end only
  int64_t save_total_limit = 2;
  std::string metric_for_best_model = "eval_loss";
  bool load_best_model_at_end = false;
  int64_t early_stopping_patience = 0;  // evaluations; 0: never
  double neftune_noise_alpha = 0;
  int64_t seed = 42;
  int64_t num_threads = 0;     // 0: all cores, shared among the machine's processes
  int64_t ddp_timeout = 1800;  // seconds
  std::vector<std::string> report_to = {"jsonl", "tensorboard", "html"};
};

/// A benchmark, or a group of them (docs/evaluation.md).
struct BenchmarkTask {
  std::string name;
  std::string data;                    // file or directory
  std::string shots;                   // file; empty: the directory's own
  std::optional<int64_t> num_fewshot;  // none: the task's own
  int64_t limit = 0;                   // first questions; 0: all
  std::string protocol = "lm-eval";    // of MMLU: lm-eval, hendrycks, lighteval
};

/// What is asked of the base model and of the trained one.
struct EvaluationSection {
  std::vector<BenchmarkTask> tasks;
  bool before = true;
  bool after = true;
  std::vector<std::string> branches = {"mixed"};  // of the trained model, each asked by itself
};

/// Whether training.report_to has this name.
bool reports_to(const TrainingSection& training, const std::string& name);

/// A whole training configuration (design: model, liza, lora, data, training, evaluation).
struct Config {
  ModelSection model;
  std::optional<LizaConfig> liza;
  LoraConfig lora;
  DataSection data;
  TrainingSection training;
  EvaluationSection evaluation;
};

/// Reads CONFIG.yaml and applies `key=value` overrides ("training.max_steps=20"). Strict: unknown
/// or duplicate keys, wrong types, values out of range, anchors and aliases are UsageErrors with
/// file:line:column and the nearest known key.
Config load_config(const std::string& path, const std::vector<std::string>& overrides);

/// The resolved configuration as YAML that load_config reads back to the same Config.
std::string to_yaml(const Config& config);

/// Back from that; `source` stands in errors.
Config config_from_yaml(const std::string& text, const std::string& source);

/// Markdown table of every key with type, default and meaning (the body of configs/README.md).
std::string config_reference();

/// Dotted names of keys whose values differ and that a resumed run may not change (all but
/// output_dir, max_steps, num_train_epochs, report_to and the logging, save and eval cadence). An
/// `auto` in `now` fits whatever the earlier run resolved it to.
std::vector<std::string> resume_conflicts(const Config& before, const Config& now);

/// liza_config.json: the `liza:` section under the same keys. Missing keys take defaults, unknown
/// ones are refused. Throws Error that names `where`.
std::string liza_to_json(const LizaConfig& liza);
LizaConfig liza_from_json(const std::string& text, const std::string& where);

}  // namespace tptt
