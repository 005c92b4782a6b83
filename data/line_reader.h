#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "models/formats/tensor_file.h"

namespace tptt {

/// Reads a text file line by line, so that a file larger than memory can be read in part: LF or
/// CRLF, byte-order mark left out, last line with or without an end. Throws Error for a line that
/// is longer than kMaxLine or no UTF-8.
class LineReader {
 public:
  static constexpr uint64_t kMaxLine = 64ull << 20;

  explicit LineReader(const std::string& path) : file_(path) {}
  /// False at the end of the file.
  bool next(std::string& line);
  /// "file:12", the line that next() gave.
  std::string where() const { return file_.path() + ":" + std::to_string(number_); }

 private:
  bool fill();

  ReadFile file_;
  std::string buffer_;
  size_t begin_ = 0;     // of what is unread in buffer_
  uint64_t offset_ = 0;  // of the file, behind buffer_
  int64_t number_ = 0;
};

}  // namespace tptt
