#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace tptt {

/// What a run is, told as it begins.
struct RunHead {
  std::string version, model, method;  // "LoRA (r 16) and LiZA (delta_rule)"
  int64_t total_parameters = 0, trainable_parameters = 0;
  int64_t train_rows = 0, train_tokens = 0, eval_rows = 0;
  int64_t packs = 0;  // 0: not packed
  int64_t steps = 0;
  double epochs = 0;
  int64_t tokens_per_step = 0;  // mean
  std::string dtype, device;
  int64_t threads = 0;
  std::string output_dir;
};

/// What came out, told at the end.
struct RunSummary {
  int64_t steps = 0, tokens = 0;
  double seconds = 0, tokens_per_second = 0, peak_rss_gb = 0;
  std::optional<std::pair<double, double>> loss, eval_loss;  // first and last
  std::optional<std::pair<double, double>> eval_interval;    // of the change, 95%
  std::string adapter, report;                               // report empty: none was drawn
  std::string command;                                       // to try next
};

/// Lines for a terminal of 80 columns, each ended; only paths and commands may be longer.
std::string head_text(const RunHead& head);
std::string summary_text(const RunSummary& summary);

/// "eval loss 0.0083, perplexity 1.008".
std::string eval_text(double loss);

/// The `tptt generate` that tries an adapter; the chat template empty: plain prompts. Arguments are
/// quoted for a shell where they need it.
std::string generate_command(const std::string& model, const std::string& adapter,
                             const std::string& chat_template, const std::string& prompt);

}  // namespace tptt
