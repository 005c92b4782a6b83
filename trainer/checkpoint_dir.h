#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "trainer/run_dir.h"

namespace tptt {

/// Writes checkpoints/step-NNNNNN so that a crash at any instant leaves every earlier checkpoint
/// and no half one under that name: temporary directory that `fill` puts files into, fsync of
/// each, manifest.json (sizes and hashes) last, rename. Then removes the oldest ones beyond
/// `save_total_limit`, but not that of step `best`. Throws Error.
void write_checkpoint_dir(const RunDir& run, int64_t step, int64_t save_total_limit, int64_t best,
                          const std::function<void(const std::filesystem::path&)>& fill);

/// What is wrong with a checkpoint directory (first file that is missing or differs from
/// manifest.json), or nothing when it is complete.
std::optional<std::string> verify_checkpoint(const std::filesystem::path& dir);

/// The step that a checkpoint directory's name gives ("step-000100" -> 100).
std::optional<int64_t> checkpoint_step(const std::filesystem::path& dir);

/// The newest checkpoint in `checkpoints` that verifies; logs a warning for each newer one that
/// does not.
std::optional<std::filesystem::path> newest_complete_checkpoint(
    const std::filesystem::path& checkpoints);

/// Removes what a killed run left of unfinished saves. The run's lock must be held.
void remove_unfinished_checkpoints(const std::filesystem::path& checkpoints);

}  // namespace tptt
