#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "trainer/event_file.h"
#include "trainer/report_page.h"
#include "trainer/run_dir.h"
#include "trainer/run_text.h"

namespace tptt {

/// The row's numbers by their TensorBoard tags: "train/loss", in an evaluation's row "eval/loss",
/// "liza/mag_weight/layer_00".
std::vector<std::pair<std::string, double>> tagged_scalars(const MetricsRow& row);

/// What a run writes of itself, as training.report_to says: metrics.jsonl, a TensorBoard event
/// file, report.html. What is said before training is kept in samples_before.json, so that the
/// report of a resumed run has it.
class Records {
 public:
  /// Goes on after `last_step`, below 0: from the start. Later rows of an interrupted run are
  /// dropped. Throws Error.
  Records(const RunDir& dir, const Config& config, int64_t last_step);

  /// Throws Error.
  void log(const MetricsRow& row);

  /// The losses of data.eval's examples at a step; 0: before training.
  void evaluated(int64_t step, const std::vector<ExampleLoss>& losses);

  /// Whether there is a report to draw, and answers are wanted for it.
  bool draws_report() const { return draws_report_; }

  /// To be called before the first step, after an evaluation. Throws Error.
  void keep_before(std::vector<Answer> answers);

  /// The summary's losses, paths and command.
  RunSummary summary() const;

  /// Writes report.html of what there is; `state` and `benchmarks` as in Report. Throws Error.
  void write_report(const std::string& state, double seconds, std::vector<Answer> answers,
                    Json benchmarks = {}) const;

 private:
  void note(const MetricsRow& row);

  std::filesystem::path metrics_, before_, report_, run_json_, adapter_;
  std::string model_, chat_template_, config_yaml_;
  uint64_t seed_;
  bool write_jsonl_, draws_report_;
  std::unique_ptr<EventFile> events_;  // none: not asked for
  std::vector<ExampleLoss> eval_before_, eval_after_;
  std::vector<Answer> answers_before_;
  std::optional<std::pair<double, double>> loss_, eval_loss_;  // first and last
};

}  // namespace tptt
