#include "trainer/file_sum.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "models/formats/error.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, const char* what) {
  throw Error(path.string() + ": " + what + ": " + std::strerror(errno));
}

/// An open descriptor, closed at the end of the scope.
struct OpenFile {
  int fd;
  OpenFile(const fs::path& path, int flags) : fd(::open(path.c_str(), flags | O_CLOEXEC)) {
    if (fd < 0) fail(path, "cannot be opened");
  }
  ~OpenFile() { ::close(fd); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
};

}  // namespace

FileSum sum_file(const fs::path& path) {
  // O_NONBLOCK: opening a FIFO must not hang.
  const OpenFile file(path, O_RDONLY | O_NONBLOCK);
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) fail(path, "cannot be examined");
  if (!S_ISREG(status.st_mode)) throw Error(path.string() + ": is no regular file");
  FileSum sum;
  sum.fnv1a64 = 0xcbf29ce484222325ull;
  std::vector<unsigned char> buffer(1 << 16);
  while (true) {
    const ssize_t count = ::read(file.fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path, "cannot be read");
    if (count == 0) return sum;
    sum.size += static_cast<uint64_t>(count);
    for (ssize_t i = 0; i < count; ++i) {
      sum.fnv1a64 = (sum.fnv1a64 ^ buffer[static_cast<size_t>(i)]) * 0x100000001b3ull;
    }
  }
}

std::string to_hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace tptt
