#pragma once

#include <filesystem>
#include <string>

#include "trainer/commands.h"

namespace tptt {

/// The project's own tasks, of any text or rows; all others are benchmarks.
inline bool is_own_task(const std::string& task) {
  return task == "sample" || task == "perplexity";
}

/// What will be written when all is done, at once: throws UsageError for a path that is a directory
/// or whose own is not there. `flag` names it.
void check_output(const std::string& flag, const std::filesystem::path& path);

/// Asks the tasks of --task, streams a sample a question to a file and writes the results. Throws
/// Error.
void run_benchmarks(const CommonFlags& common, const EvalFlags& flags);

}  // namespace tptt
