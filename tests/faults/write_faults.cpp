// Preloaded into a process, it counts the calls that change what is under $TPTT_FAULT_DIR and makes
// number $TPTT_FAULT_AT go wrong ($TPTT_FAULT: kill, powerloss, ENOSPC or EIO). A power loss is a
// kill that also empties the files of the process that were not yet synced. On leaving, the count
// is written to $TPTT_FAULT_COUNT.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <set>
#include <string>

namespace {

namespace fs = std::filesystem;

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

struct Faults {
  const std::string dir = from_environment("TPTT_FAULT_DIR");
  const std::string what = from_environment("TPTT_FAULT");
  const std::string count_file = from_environment("TPTT_FAULT_COUNT");
  const long at = std::atol(from_environment("TPTT_FAULT_AT").c_str());
  long calls = 0;
  std::mutex mutex;
  std::set<std::string> unsynced;

  ~Faults() {
    if (count_file.empty()) return;
    if (FILE* file = std::fopen(count_file.c_str(), "w")) {
      std::fprintf(file, "%ld\n", calls);
      std::fclose(file);
    }
  }

  bool watches(const std::string& path) const {
    return !dir.empty() && path.compare(0, dir.size(), dir) == 0;
  }

  void lose_power() {
    for (const std::string& path : unsynced)
      if (::truncate(path.c_str(), 0) != 0) continue;  // renamed or removed since
    ::kill(::getpid(), SIGKILL);
  }

  // Whether this call has to fail, by the errno that is set.
  bool strikes(const std::string& path) {
    if (!watches(path)) return false;
    const std::lock_guard lock(mutex);
    if (++calls != at) return false;
    if (what == "kill") ::kill(::getpid(), SIGKILL);
    if (what == "powerloss") lose_power();
    errno = what == "EIO" ? EIO : ENOSPC;
    return true;
  }

  void wrote(const std::string& path) {
    const std::lock_guard lock(mutex);
    if (watches(path)) unsynced.insert(path);
  }

  void synced(const std::string& path) {
    const std::lock_guard lock(mutex);
    unsynced.erase(path);
  }

  // An unsynced file, or files in an unsynced directory, go by a new name from here on.
  void renamed(const std::string& from, const std::string& to) {
    const std::lock_guard lock(mutex);
    std::set<std::string> now;
    for (const std::string& path : unsynced) {
      const bool moved = path == from || path.compare(0, from.size() + 1, from + "/") == 0;
      now.insert(moved ? to + path.substr(from.size()) : path);
    }
    unsynced.swap(now);
  }
};

Faults& faults() {
  static Faults all;
  return all;
}

std::string path_of(int fd) {
  std::error_code none;
  return fs::read_symlink("/proc/self/fd/" + std::to_string(fd), none).string();
}

std::string absolute(const char* path) {
  return fs::absolute(path).string();
}

template <typename Call>
ssize_t written(int fd, Call&& call) {
  const std::string path = path_of(fd);
  if (faults().strikes(path)) return -1;
  const ssize_t size = call();
  if (size > 0) faults().wrote(path);
  return size;
}

template <typename Call>
int synced(int fd, Call&& call) {
  const std::string path = path_of(fd);
  if (faults().strikes(path)) return -1;
  const int result = call();
  if (result == 0) faults().synced(path);
  return result;
}

template <typename Call>
int moved(const char* from, const char* to, Call&& call) {
  if (faults().strikes(absolute(to))) return -1;
  const int result = call();
  if (result == 0) faults().renamed(absolute(from), absolute(to));
  return result;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  if ((flags & O_CREAT) == 0) return next<decltype(open)>("open")(path, flags);
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = va_arg(arguments, mode_t);
  va_end(arguments);
  if (faults().strikes(absolute(path))) return -1;
  return next<decltype(open)>("open")(path, flags, mode);
}

int open64(const char* path, int flags, ...) __attribute__((alias("open")));

ssize_t write(int fd, const void* data, size_t size) {
  return written(fd, [&] { return next<decltype(write)>("write")(fd, data, size); });
}

ssize_t writev(int fd, const iovec* parts, int count) {
  return written(fd, [&] { return next<decltype(writev)>("writev")(fd, parts, count); });
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return written(fd, [&] { return next<decltype(pwrite)>("pwrite")(fd, data, size, offset); });
}

int fsync(int fd) {
  return synced(fd, [&] { return next<decltype(fsync)>("fsync")(fd); });
}

int fdatasync(int fd) {
  return synced(fd, [&] { return next<decltype(fdatasync)>("fdatasync")(fd); });
}

int rename(const char* from, const char* to) {
  return moved(from, to, [&] { return next<decltype(rename)>("rename")(from, to); });
}

int renameat2(int from_dir, const char* from, int to_dir, const char* to, unsigned flags) {
  return moved(from, to, [&] {
    return next<decltype(renameat2)>("renameat2")(from_dir, from, to_dir, to, flags);
  });
}

int mkdir(const char* path, mode_t mode) {
  if (faults().strikes(absolute(path))) return -1;
  return next<decltype(mkdir)>("mkdir")(path, mode);
}

}  // extern "C"
