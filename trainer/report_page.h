#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/formats/json.h"
#include "trainer/evaluate/paired.h"
#include "trainer/log.h"
#include "trainer/metrics.h"

namespace tptt {

/// What a model said to a prompt, and what the data says.
struct Answer {
  std::string prompt, expected, text;
};

/// All that report.html shows.
struct Report {
  std::string model, adapter;  // adapter empty: not written yet
  std::string state;           // "finished after 140 steps"
  std::string written;         // "2026-11-25 10:20 UTC"
  double seconds = 0;          // of training, in this process
  std::vector<MetricsRow> rows;
  std::vector<ExampleLoss> eval_before, eval_after;   // empty: not known
  uint64_t seed = 42;                                 // of the bootstrap
  std::vector<Answer> answers_before, answers_after;  // empty: not asked
  Json benchmarks;  // benchmark_summary(); null: none were asked
  LoggedWarnings warnings;
  Json run;  // run.json
  std::string config_yaml;
};

/// The report as an html_page. Texts of users and models are escaped, long ones cut.
std::string report_page(const Report& report);

/// Part of it: benchmarks before and after training, and how far they are apart; empty for null.
std::string benchmark_table(const Json& benchmarks);

/// Parts of it: figures of losses, rates and memory by step, and of what each LiZA layer was like
/// (empty without a memory).
std::string run_figures(const std::vector<MetricsRow>& rows);
std::string layer_figures(const std::vector<MetricsRow>& rows);

}  // namespace tptt
