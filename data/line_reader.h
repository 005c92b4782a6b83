#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "models/formats/tensor_file.h"

namespace tptt {

/// Reads a text file line by line, so that a file larger than memory can be read in part: LF or
/// CRLF, byte-order mark left out, last line with or without an end. Throws Error for a line that
/// is longer than kMaxLine.
class LineReader {
 public:
  static constexpr uint64_t kMaxLine = 64ull << 20;

  explicit LineReader(const std::string& path) : file_(path) {}
  /// False at the end of the file.
  bool next(std::string& line);
  /// Whether CRLF ended the line that next() gave.
  bool ended_with_cr() const { return ended_with_cr_; }
  /// "file:12", the line that next() gave.
  std::string where() const { return file_.path() + ":" + std::to_string(number_); }

 private:
  bool fill();

  ReadFile file_;
  std::string buffer_;
  size_t begin_ = 0;     // of what is unread in buffer_
  uint64_t offset_ = 0;  // of the file, behind buffer_
  int64_t number_ = 0;
  bool ended_with_cr_ = false;
};

inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// A whole UTF-8 text file of at most 1 GiB. Throws Error.
std::string read_utf8(const std::string& path);

/// Throws Error that names `where` and the first byte that is no UTF-8.
void check_utf8(std::string_view text, const std::string& where);

}  // namespace tptt
