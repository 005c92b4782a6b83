#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tptt {

/// What the model-reading commands have in common.
struct CommonFlags {
  std::string model;
  std::string adapter;
  std::string dtype = "auto";
  std::string device = "auto";
  std::string quantization = "none";
  int64_t num_threads = 0;
  std::string branch = "mixed";  // load_model.h: branch_names()
};

struct GenerateFlags {
  std::string prompt;
  bool chat = false;
  std::string chat_template = "auto";
  int64_t max_new_tokens = 256;
  double temperature = 0, top_p = 1;
  int64_t seed = 42;
};

struct EvalFlags {
  std::vector<std::string> tasks = {
      "sample"};                  // sample, perplexity, or benchmarks (docs/evaluation.md)
  std::vector<std::string> data;  // PATH, or TASK=PATH
  std::string shots_data;
  std::string protocol = "lm-eval";
  std::optional<std::string> chat_template;  // of sample and perplexity; none: auto
  std::optional<int64_t> num_fewshot;
  std::optional<int64_t> max_length;  // of sample and perplexity
  std::optional<int64_t> stride;      // of perplexity
  std::optional<int64_t> batch_size;  // of sample
  int64_t limit = 0;
  bool json = false, resume = false;
  std::string output, log_samples;
};

struct CompareFlags {
  std::string first, second;  // results.json of two evaluations
  bool questions = false;     // list those that came out differently
  bool json = false;
};

struct RecallFlags {
  std::string text, output;
  std::vector<int64_t> lengths = {512, 1024, 2048}, num_keys = {4, 8, 16, 32};
  std::vector<double> depths = {0, 0.25, 0.5, 0.75, 1};
  int64_t samples = 4, max_self_attn_length = 0, num_sink_tokens = 4, seed = 42;
  bool json = false;
};

struct ExportFlags {
  std::string from;  // run or adapter directory
  std::string format = "peft";
  std::string output;
  std::string model;    // the base; empty: what the run or the adapter names
  std::string outtype;  // of a merged GGUF file: f16 or q8_0
  bool drop_liza = false;
};

// Each writes its result to stdout and throws Error.
void run_generate(const CommonFlags& common, const GenerateFlags& flags);
void run_logits(const CommonFlags& common, const std::string& input_ids, const std::string& output);
void run_tokenize(const std::string& model, bool decode, bool special);
void run_eval(const CommonFlags& common, const EvalFlags& flags);
void run_compare(const CompareFlags& flags);
void run_recall(const CommonFlags& common, const RecallFlags& flags);
void run_inspect(const std::string& path);
void run_export(const ExportFlags& flags);

/// "peft, merged, gguf-lora or tptt".
std::string export_formats();

}  // namespace tptt
