#include "models/formats/tensor_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "models/formats/checked.h"

namespace tptt {
int64_t TensorInfo::numel() const {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

uint64_t tensor_nbytes(FileType type, const std::vector<int64_t>& shape, const std::string& what) {
  uint64_t count = 1;
  for (const int64_t size : shape) {
    if (size < 0) throw Error(what + ": negative dimension");
    count = checked_mul(count, uint64_t(size), what);
    checked_int64(count, what);  // for numel(), though a 0 may follow
  }
  const FileTypeInfo& t = info_of(type);
  if (t.block > 1 && (shape.empty() || shape.back() % t.block != 0))
    throw Error(what + ": rows of " + t.name + " must be a multiple of " + std::to_string(t.block) +
                " long");
  return checked_mul(count / t.block, t.block_bytes, what);
}

ReadFile::ReadFile(const std::string& path) : path_(path) {
  fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO must not block
  if (fd_ < 0) throw Error(path + ": cannot open: " + std::strerror(errno));
  struct stat info {};
  if (fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd_);
    throw Error(path + ": expected a regular file");
  }
  size_ = uint64_t(info.st_size);
}

ReadFile::~ReadFile() {
  if (fd_ >= 0) close(fd_);
}

ReadFile::ReadFile(ReadFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

void ReadFile::read(uint64_t offset, void* to, uint64_t count) const {
  if (offset > size_ || count > size_ - offset)
    throw Error(path_ + ": truncated: wanted " + std::to_string(count) + " bytes at " +
                std::to_string(offset) + " of " + std::to_string(size_));
  auto* out = static_cast<char*>(to);
  while (count > 0) {
    const ssize_t n = pread(fd_, out, count, off_t(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error(path_ + ": cannot read: " + std::strerror(errno));
    if (n == 0) throw Error(path_ + ": became shorter while it was read");
    out += n;
    offset += uint64_t(n);
    count -= uint64_t(n);
  }
}

std::vector<std::byte> read_bytes(const ReadFile& file, const TensorInfo& info) {
  std::vector<std::byte> bytes(info.nbytes);
  file.read(info.offset, bytes.data(), bytes.size());
  return bytes;
}

}  // namespace tptt
