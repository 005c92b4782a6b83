#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "trainer/event_file.h"
#include "trainer/metrics.h"
#include "trainer/run_dir.h"

namespace tptt {

/// The row's numbers by their TensorBoard tags: "train/loss", in an evaluation's row "eval/loss",
/// "liza/mag_weight/layer_00".
std::vector<std::pair<std::string, double>> tagged_scalars(const MetricsRow& row);

/// What a run writes down as it goes, as training.report_to says: metrics.jsonl, a TensorBoard
/// event file.
class Records {
 public:
  /// Goes on after `last_step`, below 0: from the start. Later rows of an interrupted run are
  /// dropped. Throws Error.
  Records(const RunDir& dir, const Config& config, int64_t last_step);

  /// Throws Error.
  void log(const MetricsRow& row);

 private:
  std::filesystem::path metrics_;
  bool write_jsonl_;
  std::unique_ptr<EventFile> events_;  // none: not asked for
};

}  // namespace tptt
