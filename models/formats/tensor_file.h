#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "models/formats/file_type.h"

namespace tptt {

/// One tensor's place in a file.
struct TensorInfo {
  std::string name;
  FileType type = FileType::F32;
  std::vector<int64_t> shape;  // row-major, outermost dimension first (GGUF's order reversed)
  uint64_t offset = 0;         // from the start of the file
  uint64_t nbytes = 0;
  int64_t numel() const;
};

/// Bytes that `numel` elements of `type` take, with checked arithmetic. Throws Error.
uint64_t tensor_nbytes(FileType type, const std::vector<int64_t>& shape, const std::string& what);

/// A file opened for reading by position; never mapped, so that truncation is an error, not SIGBUS.
class ReadFile {
 public:
  /// Throws Error when the path is missing or no regular file.
  explicit ReadFile(const std::string& path);
  ~ReadFile();
  ReadFile(ReadFile&& other) noexcept;
  ReadFile(const ReadFile&) = delete;
  ReadFile& operator=(const ReadFile&) = delete;

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  /// Reads exactly `count` bytes at `offset`. Throws Error when the file is shorter.
  void read(uint64_t offset, void* to, uint64_t count) const;

 private:
  std::string path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

/// The bytes of one tensor. Throws Error when the file is shorter.
std::vector<std::byte> read_bytes(const ReadFile& file, const TensorInfo& info);

}  // namespace tptt
