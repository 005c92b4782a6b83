#include "trainer/run_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "models/formats/atomic_file.h"
#include "models/formats/error.h"
#include "trainer/checkpoint_dir.h"
#include "trainer/config_text.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLock = ".lock";
constexpr const char* kUnfinishedConfig = ".config.yaml.tmp";

bool holds_run(const fs::path& root) {
  return fs::exists(root / "config.yaml");
}

void refuse_foreign(const fs::path& root) {
  if (!fs::exists(root) || holds_run(root)) return;
  if (!fs::is_directory(root)) {
    throw UsageError("training.output_dir " + root.string() +
                     " is a file: name a new or empty directory");
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    const std::string name = entry.path().filename().string();
    if (name == kLock || name == kUnfinishedConfig) continue;  // of a run killed as it began
    throw UsageError("training.output_dir " + root.string() + " holds " + name +
                     " but no run (no config.yaml): name a new or empty directory");
  }
}

/// Takes the lock or throws Error. The kernel frees it when the process ends, however it ends.
int lock(const fs::path& root) {
  const fs::path path = root / kLock;
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) throw Error(path.string() + ": cannot be opened: " + std::strerror(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) {
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd, 0) == 0 && ::pwrite(fd, pid.data(), pid.size(), 0) > 0) return fd;
    const std::string why = std::strerror(errno);
    ::close(fd);
    throw Error(path.string() + ": cannot be written: " + why);
  }
  const bool in_use = errno == EWOULDBLOCK;
  const std::string why = std::strerror(errno);
  char owner[32] = {};
  const ssize_t count = ::pread(fd, owner, sizeof(owner) - 1, 0);
  ::close(fd);
  if (!in_use) throw Error(path.string() + ": cannot be locked: " + why);
  const std::string pid(owner, count > 0 ? std::strcspn(owner, "\n") : 0);
  throw Error("training.output_dir " + root.string() + " is in use by the run with process id " +
              (pid.empty() ? "unknown" : pid) + ": wait for it or name another directory");
}

void refuse_conflicts(const fs::path& holder, const Config& before, const Config& now) {
  const std::string text = conflicts_text(before, now, "now");
  if (text.empty()) return;
  throw UsageError(holder.string() + " holds a run with other settings: " + text +
                   ": set them back to continue it, or name another training.output_dir");
}

/// Checks the run in `root`, if any, against `config` and lets it settle the `auto` values.
void match_run(const fs::path& root, Config& config) {
  if (!holds_run(root)) return;
  const Config before = load_config((root / "config.yaml").string(), {});
  refuse_conflicts(root, before, config);
  adopt_resolved(before, config);
}

fs::path named_checkpoint(const std::string& resume) {
  fs::path dir = fs::absolute(resume).lexically_normal();
  if (!dir.has_filename()) dir = dir.parent_path();  // "step-000100/"
  const std::optional<std::string> problem = verify_checkpoint(dir);
  if (problem) throw UsageError("--resume " + resume + " is no complete checkpoint: " + *problem);
  return dir;
}

/// Throws what stands against a run in this directory; gives the checkpoint that `resume` names.
std::optional<fs::path> check(Config& config, const std::string& resume) {
  const fs::path root = config.training.output_dir;
  refuse_foreign(root);
  if (resume == "never" && holds_run(root)) {
    throw UsageError("training.output_dir " + root.string() +
                     " holds a run and --resume is never: continue it with --resume auto, remove "
                     "it, or name another directory");
  }
  std::optional<fs::path> named;
  if (resume != "auto" && resume != "never") named = named_checkpoint(resume);
  match_run(root, config);
  if (named) match_run(named->parent_path().parent_path(), config);
  return named;
}

RunDir open_checked(Config& config, const std::string& resume) {
  const fs::path root = config.training.output_dir;
  const bool had_run = holds_run(root);
  const std::optional<fs::path> named = check(config, resume);
  fs::create_directories(root);
  RunDir run(root, lock(root));
  if (!had_run && holds_run(root)) {
    throw Error("training.output_dir " + root.string() + ": another run began there just now");
  }
  if (named) {
    run.resume_from = named;
  } else if (had_run) {
    run.resume_from = newest_complete_checkpoint(run.checkpoints());
  }
  remove_unfinished_checkpoints(run.checkpoints());
  return run;
}

/// Runs `body`; what the file system refuses becomes an Error that names the directory.
template <class Body>
auto with_dir_errors(const Config& config, Body body) {
  try {
    return body();
  } catch (const fs::filesystem_error& error) {
    throw Error("training.output_dir " + config.training.output_dir + ": " + error.what());
  }
}

}  // namespace

RunDir::RunDir(fs::path directory, int lock_fd) : root(std::move(directory)), lock_fd_(lock_fd) {}

RunDir::RunDir(RunDir&& other) noexcept
    : root(std::move(other.root)),
      resume_from(std::move(other.resume_from)),
      lock_fd_(std::exchange(other.lock_fd_, -1)) {}

RunDir::~RunDir() {
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

fs::path RunDir::checkpoint(int64_t step) const {
  char name[32];
  std::snprintf(name, sizeof(name), "step-%06lld", static_cast<long long>(step));
  return checkpoints() / name;
}

int64_t RunDir::resume_step() const {
  return resume_from ? checkpoint_step(*resume_from).value_or(0) : 0;
}

RunDir open_run_dir(Config& config, const std::string& resume) {
  return with_dir_errors(config, [&] { return open_checked(config, resume); });
}

void check_run_dir(Config& config, const std::string& resume) {
  with_dir_errors(config, [&] { return check(config, resume); });
}

void write_run_config(const RunDir& run, const Config& config) {
  write_file_atomic(run.config_yaml().string(), to_yaml(config));
}

}  // namespace tptt
