#pragma once

#include <functional>
#include <string>

#include "trainer/config.h"

namespace tptt {

/// A run's output directory, locked for as long as this lives.
class RunDir {
 public:
  /// Makes or reopens config.training.output_dir. `resume`: "auto" continues what is there when the
  /// configuration is the same but for what may change, "never" wants a new directory, a path is a
  /// checkpoint of this run. `auto` settings take what the earlier run resolved. Nothing is
  /// overwritten. Throws UsageError that names the key or the other process.
  RunDir(Config& config, const std::string& resume);
  ~RunDir();
  RunDir(const RunDir&) = delete;
  RunDir& operator=(const RunDir&) = delete;

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  /// The checkpoint to continue from; empty: start at step 0.
  const std::string& resume_from() const { return resume_from_; }
  /// Writes config.yaml, once every `auto` is resolved.
  void write_config(const Config& config) const;

 private:
  std::string path_;
  std::string resume_from_;
  int lock_ = -1;
};

/// Writes checkpoints/step-NNNNNN: `fill` puts files into a temporary directory; a manifest with
/// their sizes and hashes is written last and the directory renamed into place. Older checkpoints
/// beyond `limit` are then removed. Throws Error.
void write_checkpoint(const std::string& run_path, int64_t step, int64_t limit,
                      const std::function<void(const std::string& dir)>& fill);

/// Whether the directory's manifest is there and every file has its size and hash; else why not.
bool verify_checkpoint(const std::string& dir, std::string* why);

}  // namespace tptt
