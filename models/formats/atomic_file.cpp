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

constexpr size_t kPiece = 1 << 20;

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw Error(path + ": cannot " + what + ": " + std::strerror(errno));
}

enum class Renamed { yes, no, unsupported };

// Not every file system knows the flags (NFS).
Renamed rename_by(unsigned flag, const char* from, const char* to) {
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, flag) == 0) return Renamed::yes;
  return errno == EINVAL || errno == ENOSYS ? Renamed::unsupported : Renamed::no;
}

// rename() would take an older file's place. Not every file system has hard links.
bool put_if_absent(const char* from, const char* to) {
  const Renamed renamed = rename_by(RENAME_NOREPLACE, from, to);
  if (renamed != Renamed::unsupported) return renamed == Renamed::yes;
  return link(from, to) == 0 && unlink(from) == 0;
}

}  // namespace

void sync_path(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path, "open");
  const bool synced = fsync(fd) == 0;
  const int error = errno;
  close(fd);
  errno = error;
  if (!synced) fail(path, "sync");
}

void exchange_paths(const std::string& a, const std::string& b) {
  const Renamed renamed = rename_by(RENAME_EXCHANGE, a.c_str(), b.c_str());
  if (renamed == Renamed::yes) return;
  const std::string aside = a + "-replaced";
  const bool exchanged =
      renamed == Renamed::unsupported && std::rename(b.c_str(), aside.c_str()) == 0 &&
      std::rename(a.c_str(), b.c_str()) == 0 && std::rename(aside.c_str(), a.c_str()) == 0;
  if (!exchanged) fail(b, "exchange");
}

AtomicFile::AtomicFile(const std::string& path) : path_(path) {
  const std::filesystem::path target(path);
  temporary_ = (target.parent_path() / ("." + target.filename().string() + ".tmp")).string();
  fd_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) fail(temporary_, "create");
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(temporary_.c_str());
}

void AtomicFile::write(std::string_view bytes) {
  if (waiting_.size() + bytes.size() < kPiece) {
    waiting_ += bytes;
    return;
  }
  write_out(waiting_);
  waiting_.clear();
  write_out(bytes);
}

void AtomicFile::write_out(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(temporary_, "write");
    bytes.remove_prefix(size_t(n));
  }
}

void AtomicFile::commit(bool replace) {
  write_out(waiting_);
  if (fsync(fd_) != 0) fail(temporary_, "sync");
  const char* from = temporary_.c_str();
  const bool placed =
      replace ? std::rename(from, path_.c_str()) == 0 : put_if_absent(from, path_.c_str());
  if (!placed) fail(path_, "put into place");
  close(fd_);
  fd_ = -1;
  const std::filesystem::path target(path_);
  sync_path(target.has_parent_path() ? target.parent_path().string() : ".");
}

void write_file_atomic(const std::string& path, std::span<const std::string_view> chunks) {
  AtomicFile file(path);
  for (const std::string_view chunk : chunks) file.write(chunk);
  file.commit(true);
}

void write_file_atomic(const std::string& path, std::string_view bytes) {
  write_file_atomic(path, std::span<const std::string_view>(&bytes, 1));
}

}  // namespace tptt
