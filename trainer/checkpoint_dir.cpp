#include "trainer/checkpoint_dir.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>
#include <vector>

#include "models/formats/atomic_file.h"
#include "models/formats/error.h"
#include "models/formats/json.h"
#include "trainer/file_sum.h"
#include "trainer/log.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifest = "manifest.json";
constexpr uint64_t kMaxManifestBytes = 1 << 20;

bool is_plain_name(const std::string& name) {
  return !name.empty() && name[0] != '.' && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

/// Checkpoint directories and their steps, newest first.
std::vector<std::pair<int64_t, fs::path>> list_checkpoints(const fs::path& checkpoints) {
  std::vector<std::pair<int64_t, fs::path>> found;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(checkpoints, error)) {
    const std::optional<int64_t> step = checkpoint_step(entry.path());
    if (step) found.emplace_back(*step, entry.path());
  }
  std::sort(found.rbegin(), found.rend());
  return found;
}

void verify_or_throw(const fs::path& dir) {
  const std::string where = (dir / kManifest).string();
  if (!fs::is_directory(fs::symlink_status(dir))) throw Error(dir.string() + ": is no directory");
  const Json manifest = read_json_file(where, kMaxManifestBytes);
  if (!manifest.is_object() || !manifest.contains("files") || !manifest["files"].is_object() ||
      manifest["files"].empty()) {
    throw Error(where + ": key 'files' must be an object that names the checkpoint's files");
  }
  if (json_int(manifest, "step", where) != checkpoint_step(dir)) {
    throw Error(where + ": key 'step' does not fit the directory's name");
  }
  for (const auto& [name, entry] : manifest["files"].items()) {
    if (!is_plain_name(name)) throw Error(where + ": '" + name + "' is no plain file name");
    if (!entry.is_object()) throw Error(where + ": '" + name + "' must have size and fnv1a64");
    const fs::path path = dir / name;
    if (!fs::is_regular_file(fs::symlink_status(path))) {
      throw Error(path.string() + ": missing or no regular file");
    }
    const FileSum sum = sum_file(path);
    if (json_int(entry, "size", where) != static_cast<int64_t>(sum.size)) {
      throw Error(path.string() + ": has " + std::to_string(sum.size) +
                  " bytes, manifest.json says " + std::to_string(json_int(entry, "size", where)));
    }
    if (json_string(entry, "fnv1a64", where) != to_hex(sum.fnv1a64)) {
      throw Error(path.string() + ": its bytes do not fit the hash in manifest.json");
    }
  }
}

void write_manifest(const fs::path& dir, int64_t step) {
  Json manifest = {{"step", step}, {"files", Json::object()}};
  for (const fs::directory_entry& entry : fs::directory_iterator(dir)) {
    sync_path(entry.path().string());
    const FileSum sum = sum_file(entry.path());
    manifest["files"][entry.path().filename().string()] = {{"size", sum.size},
                                                           {"fnv1a64", to_hex(sum.fnv1a64)}};
  }
  write_file_atomic((dir / kManifest).string(), manifest.dump(2) + "\n");
}

}  // namespace

std::optional<int64_t> checkpoint_step(const fs::path& dir) {
  const std::string name = dir.filename().string();
  const std::string start = "step-";
  constexpr size_t kMinDigits = 6, kMaxDigits = 18;
  if (name.compare(0, start.size(), start) != 0) return std::nullopt;
  const std::string digits = name.substr(start.size());
  if (digits.size() < kMinDigits || digits.size() > kMaxDigits ||
      digits.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  return std::stoll(digits);
}

std::optional<std::string> verify_checkpoint(const fs::path& dir) {
  try {
    verify_or_throw(dir);
    return std::nullopt;
  } catch (const Error& error) {
    return error.what();
  } catch (const fs::filesystem_error& error) {
    return error.what();
  }
}

std::optional<fs::path> newest_complete_checkpoint(const fs::path& checkpoints) {
  for (const auto& [step, dir] : list_checkpoints(checkpoints)) {
    const std::optional<std::string> problem = verify_checkpoint(dir);
    if (!problem) return dir;
    log_warning("skipping checkpoint " + dir.string() + ": " + *problem);
  }
  return std::nullopt;
}

void remove_unfinished_checkpoints(const fs::path& checkpoints) {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (const fs::directory_entry& entry : fs::directory_iterator(checkpoints, error)) {
    if (entry.path().filename().string().starts_with(".tmp-")) leftovers.push_back(entry.path());
  }
  for (const fs::path& path : leftovers) fs::remove_all(path, error);
}

void write_checkpoint_dir(const RunDir& run, int64_t step, int64_t save_total_limit, int64_t best,
                          const std::function<void(const fs::path&)>& fill) {
  const fs::path parent = run.checkpoints(), target = run.checkpoint(step);
  const fs::path temporary =
      parent / (".tmp-" + std::to_string(step) + "-" + std::to_string(::getpid()));
  try {
    fs::create_directories(parent);
    fs::remove_all(temporary);
    fs::create_directory(temporary);
    fill(temporary);
    write_manifest(temporary, step);
    sync_path(temporary.string());
    // One of the step is there when a run was resumed from an earlier one.
    const bool replaces = fs::exists(fs::symlink_status(target));
    if (replaces) {
      exchange_paths(temporary, target);
    } else {
      fs::rename(temporary, target);
    }
    sync_path(parent.string());
    if (replaces) fs::remove_all(temporary);
    auto kept = list_checkpoints(parent);
    for (size_t i = static_cast<size_t>(save_total_limit); i < kept.size(); ++i) {
      // Newer ones of a run resumed from this step's past are not worth more than this one.
      if (kept[i].second != target && kept[i].first != best) fs::remove_all(kept[i].second);
    }
  } catch (const fs::filesystem_error& error) {
    throw Error(std::string("cannot save checkpoint ") + target.string() + ": " + error.what());
  }
}

}  // namespace tptt
