#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tptt {

/// What the memories of a step were like, one entry a layer; null where a layer has none.
struct LizaMetrics {
  std::vector<std::optional<double>> mag_weight;               // mean over heads
  std::vector<std::optional<double>> softmax_rms, linear_rms;  // of the branches, before scaling
  std::vector<std::optional<double>> state_norm;               // largest at a sequence's end
};

/// One row of metrics.jsonl; what is not set is left out of the line.
struct MetricsRow {
  int64_t step = 0;
  double epoch = 0;
  std::optional<double> loss = {};
  std::optional<double> transfer_error = {};  // share of the window's error left; transfer steps
  std::optional<double> learning_rate = {};
  std::optional<double> mag_weight = {};  // mean over layers and heads
  std::optional<double> grad_norm = {};
  std::optional<int64_t> target_tokens = {};
  std::optional<double> tokens_per_second = {};
  std::optional<double> step_seconds = {};
  std::optional<double> peak_rss_gb = {};
  std::optional<double> eval_loss = {};
  std::optional<LizaMetrics> liza = {};
};

/// The scalars of a row and what is there of each layer, by the names users see; each named once.
void visit_scalars(auto& row, auto&& value) {
  value("loss", row.loss);
  value("transfer_error", row.transfer_error);
  value("learning_rate", row.learning_rate);
  value("mag_weight", row.mag_weight);
  value("grad_norm", row.grad_norm);
  value("target_tokens", row.target_tokens);
  value("tokens_per_second", row.tokens_per_second);
  value("step_seconds", row.step_seconds);
  value("peak_rss_gb", row.peak_rss_gb);
  value("eval_loss", row.eval_loss);
}
void visit_layers(auto& liza, auto&& values) {
  values("mag_weight", liza.mag_weight);
  values("softmax_rms", liza.softmax_rms);
  values("linear_rms", liza.linear_rms);
  values("state_norm", liza.state_norm);
}

/// The row as one line of JSON, without the newline; numbers that are not finite become null.
std::string to_json_line(const MetricsRow& row);

/// The rows of a metrics.jsonl; none where there is no file. What is null becomes NaN; other keys
/// are passed over. Throws Error.
std::vector<MetricsRow> read_metrics(const std::filesystem::path& path);

/// Drops the rows after `step` and a last line that a crash cut off. A missing file stays missing.
/// Throws Error.
void truncate_metrics(const std::filesystem::path& path, int64_t step);

/// Appends the row in a single write. Throws Error.
void append_metrics(const std::filesystem::path& path, const MetricsRow& row);

}  // namespace tptt
