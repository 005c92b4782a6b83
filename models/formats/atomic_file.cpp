#include "models/formats/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "models/formats/error.h"

namespace tptt {
namespace {

[[noreturn]] void fail(const std::string& path, const std::string& what, int fd) {
  const std::string reason = std::strerror(errno);
  if (fd >= 0) close(fd);
  throw Error(path + ": cannot " + what + ": " + reason);
}

void write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path, "write", fd);
    bytes.remove_prefix(size_t(n));
  }
}

}  // namespace

void sync_path(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path, "open", fd);
  if (fsync(fd) != 0) fail(path, "sync", fd);
  close(fd);
}

void write_file_atomic(const std::string& path, std::span<const std::string_view> chunks) {
  const std::filesystem::path target(path);
  const std::string temporary =
      (target.parent_path() / ("." + target.filename().string() + ".tmp")).string();
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) fail(temporary, "create", fd);
  for (const std::string_view chunk : chunks) write_all(fd, chunk, temporary);
  if (fsync(fd) != 0) fail(temporary, "sync", fd);
  close(fd);
  if (std::rename(temporary.c_str(), path.c_str()) != 0) fail(path, "rename into place", -1);
  sync_path(target.has_parent_path() ? target.parent_path().string() : ".");
}

void write_file_atomic(const std::string& path, std::string_view bytes) {
  write_file_atomic(path, std::span<const std::string_view>(&bytes, 1));
}

}  // namespace tptt
