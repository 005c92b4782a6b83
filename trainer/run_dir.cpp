#include "trainer/run_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "models/formats/atomic_file.h"
#include "models/formats/error.h"
#include "models/formats/json.h"
#include "models/formats/tensor_file.h"
#include "trainer/log.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

int lock_dir(const std::string& dir) {
  const std::string path = dir + "/.lock";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) throw Error(path + ": cannot create: " + std::strerror(errno));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char pid[32] = {};
    const ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    close(fd);
    throw UsageError("output_dir '" + dir + "' is in use by process " +
                     (n > 0 ? std::string(pid) : "?") +
                     "; wait for it or choose another output_dir");
  }
  const std::string pid = std::to_string(getpid());
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0)
    log_warning(path + ": cannot note the process id");
  return fd;
}

// FNV-1a over a file, 64 bits: finds damage, not forgery.
std::string file_hash(const std::string& path) {
  const ReadFile file(path);
  uint64_t hash = 0xcbf29ce484222325ull;
  std::string buffer(1 << 20, '\0');
  for (uint64_t at = 0; at < file.size(); at += buffer.size()) {
    buffer.resize(std::min<uint64_t>(1 << 20, file.size() - at));
    file.read(at, buffer.data(), buffer.size());
    for (const char c : buffer) hash = (hash ^ uint8_t(c)) * 0x100000001b3ull;
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

std::vector<fs::path> checkpoints(const std::string& run_path) {
  std::vector<fs::path> found;
  const fs::path root = fs::path(run_path) / "checkpoints";
  if (!fs::is_directory(root)) return found;
  for (const auto& entry : fs::directory_iterator(root))
    if (entry.path().filename().string().starts_with("step-")) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

std::string newest_checkpoint(const std::string& run_path) {
  auto all = checkpoints(run_path);
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    std::string why;
    if (verify_checkpoint(it->string(), &why)) return it->string();
    log_warning(it->string() + " is not complete (" + why + "); trying the one before");
  }
  return "";
}

void check_same_run(Config& now, const std::string& dir) {
  const Config before = load_config(dir + "/config.yaml", {});
  if (now.model.dtype == "auto") now.model.dtype = before.model.dtype;
  if (now.model.device == "auto") now.model.device = before.model.device;
  const auto conflicts = resume_conflicts(before, now);
  if (conflicts.empty()) return;
  throw UsageError("output_dir '" + dir + "' holds a run with another '" + conflicts.front() +
                   "'; choose another training.output_dir or go back to that setting");
}

}  // namespace

RunDir::RunDir(Config& config, const std::string& resume) : path_(config.training.output_dir) {
  std::error_code error;
  fs::create_directories(path_, error);
  if (error) throw Error("output_dir '" + path_ + "': cannot create: " + error.message());
  const bool is_run = fs::exists(file("config.yaml"));
  const auto is_foreign = [](const fs::directory_entry& e) {
    return e.path().filename() != ".lock";
  };
  if (!is_run && std::any_of(fs::directory_iterator(path_), fs::directory_iterator(), is_foreign))
    throw UsageError("output_dir '" + path_ +
                     "' holds other files; choose an empty or new directory");
  lock_ = lock_dir(path_);
  try {
    if (!is_run && resume != "auto" && resume != "never")
      throw UsageError("--resume '" + resume + "': output_dir '" + path_ +
                       "' holds no run; name the run's own output_dir");
    if (!is_run) return;
    if (resume == "never")
      throw UsageError("output_dir '" + path_ +
                       "' holds a run already and --resume is never; choose "
                       "another training.output_dir");
    check_same_run(config, path_);
    resume_from_ = resume == "auto" ? newest_checkpoint(path_) : resume;
    std::string why;
    if (!resume_from_.empty() && !verify_checkpoint(resume_from_, &why))
      throw UsageError("--resume '" + resume_from_ + "': " + why);
  } catch (...) {
    close(lock_);
    throw;
  }
}

RunDir::~RunDir() {
  if (lock_ >= 0) close(lock_);
}

void RunDir::write_config(const Config& config) const {
  write_file_atomic(file("config.yaml"), to_yaml(config));
}

void write_checkpoint(const std::string& run_path, int64_t step, int64_t limit,
                      const std::function<void(const std::string& dir)>& fill) {
  char name[32];
  std::snprintf(name, sizeof name, "step-%06ld", long(step));
  const fs::path root = fs::path(run_path) / "checkpoints";
  std::string why;
  if (verify_checkpoint((root / name).string(), &why)) return;  // a resumed run has been here
  const fs::path temporary =
      root / (".tmp-" + std::to_string(step) + "-" + std::to_string(getpid()));
  fs::create_directories(temporary);
  fill(temporary.string());
  Json manifest = {{"step", step}, {"files", Json::object()}};
  for (const auto& entry : fs::directory_iterator(temporary))
    manifest["files"][entry.path().filename().string()] = {
        {"size", fs::file_size(entry.path())}, {"fnv1a64", file_hash(entry.path().string())}};
  write_file_atomic((temporary / "manifest.json").string(), manifest.dump(2) + "\n");
  sync_directory(temporary.string());
  if (fs::exists(root / name)) fs::remove_all(root / name);  // damaged: resume passed it over
  fs::rename(temporary, root / name);
  sync_directory(root.string());
  const auto all = checkpoints(run_path);
  for (size_t i = 0; i + size_t(std::max<int64_t>(limit, 1)) < all.size(); ++i)
    fs::remove_all(all[i]);
}

bool verify_checkpoint(const std::string& dir, std::string* why) {
  try {
    const Json manifest = read_json_file(fs::path(dir) / "manifest.json");
    if (!manifest.contains("files") || !manifest["files"].is_object())
      throw Error("manifest.json has no files");
    for (const auto& [name, entry] : manifest["files"].items()) {
      const std::string path = (fs::path(dir) / fs::path(name).filename()).string();
      if (!fs::exists(path)) throw Error(path + " is missing");
      if (int64_t(fs::file_size(path)) != json_int(entry, "size", path) ||
          file_hash(path) != json_string(entry, "fnv1a64", path))
        throw Error(path + " is damaged");
    }
    return true;
  } catch (const Error& e) {
    *why = e.what();
    return false;
  }
}

}  // namespace tptt
