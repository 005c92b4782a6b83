#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "trainer/config.h"

namespace tptt {

/// An output directory, locked against a second run until this object goes.
struct RunDir {
  std::filesystem::path root;
  /// The checkpoint to go on from; none: start at step 0.
  std::optional<std::filesystem::path> resume_from;

  std::filesystem::path config_yaml() const { return root / "config.yaml"; }
  std::filesystem::path run_json() const { return root / "run.json"; }
  std::filesystem::path metrics_jsonl() const { return root / "metrics.jsonl"; }
  std::filesystem::path samples_before_json() const { return root / "samples_before.json"; }
  std::filesystem::path report_html() const { return root / "report.html"; }
  std::filesystem::path adapter() const { return root / "adapter"; }
  std::filesystem::path benchmarks() const { return root / "evaluation"; }
  std::filesystem::path checkpoints() const { return root / "checkpoints"; }
  /// checkpoints/step-000100
  std::filesystem::path checkpoint(int64_t step) const;
  /// The step of resume_from, or 0.
  int64_t resume_step() const;

  explicit RunDir(std::filesystem::path root, int lock_fd);
  ~RunDir();
  RunDir(RunDir&& other) noexcept;
  RunDir(const RunDir&) = delete;
  RunDir& operator=(const RunDir&) = delete;

 private:
  int lock_fd_;
};

/// Opens training.output_dir: creates and locks it and finds the checkpoint to resume from.
/// `resume` is "auto" (the newest complete checkpoint), "never" (the directory must hold no run) or
/// the path of a checkpoint. Values `auto` in `config` become what the earlier run resolved them
/// to. A directory that holds another run or foreign files is refused with UsageError before
/// anything in it is changed; one that is in use, with Error naming the pid. The directory holds a
/// run once write_run_config was called: what fails before leaves no obstacle.
RunDir open_run_dir(Config& config, const std::string& resume);

/// What open_run_dir would refuse, without touching the directory (for a dry run).
void check_run_dir(Config& config, const std::string& resume);

/// Writes config.yaml, once `auto` values are resolved.
void write_run_config(const RunDir& run, const Config& config);

}  // namespace tptt
