#include "data/line_reader.h"

#include <algorithm>

#include "data/utf8.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

constexpr uint64_t kChunk = 1ull << 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

bool LineReader::fill() {
  const uint64_t count = std::min(kChunk, file_.size() - offset_);
  buffer_.erase(0, begin_);
  begin_ = 0;
  const size_t old = buffer_.size();
  buffer_.resize(old + count);
  if (count > 0) file_.read(offset_, buffer_.data() + old, count);
  if (offset_ == 0 && buffer_.starts_with(kByteOrderMark)) begin_ = kByteOrderMark.size();
  offset_ += count;
  return count > 0;
}

bool LineReader::next(std::string& line) {
  ++number_;
  size_t searched = 0, end;
  while ((end = buffer_.find('\n', begin_ + searched)) == std::string::npos) {
    searched = buffer_.size() - begin_;
    if (searched > kMaxLine)
      throw Error(where() + ": line is longer than " + std::to_string(kMaxLine >> 20) +
                  " MiB; expected one row a line");
    if (!fill()) {
      end = buffer_.size();
      break;
    }
  }
  if (begin_ == buffer_.size()) return false;
  line.assign(buffer_, begin_, end - begin_);
  begin_ = std::min(end + 1, buffer_.size());
  if (line.ends_with('\r')) line.pop_back();
  const size_t valid = valid_utf8_prefix(line);
  if (valid != line.size())
    throw Error(where() + ": byte " + std::to_string(valid + 1) +
                " of the line is no valid UTF-8; save the file as UTF-8");
  return true;
}

}  // namespace tptt
