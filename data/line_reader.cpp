#include "data/line_reader.h"

#include <algorithm>

#include "data/utf8.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

constexpr uint64_t kChunk = 1ull << 20;
constexpr uint64_t kMaxText = 1ull << 30;

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
  ended_with_cr_ = line.ends_with('\r');
  if (ended_with_cr_) line.pop_back();
  return true;
}

std::string read_utf8(const std::string& path) {
  const ReadFile file(path);
  if (file.size() > kMaxText) throw Error(path + ": larger than 1 GiB; name a part of it");
  std::string text(file.size(), '\0');
  file.read(0, text.data(), text.size());
  check_utf8(text, path);
  return text;
}

void check_utf8(std::string_view text, const std::string& where) {
  const size_t valid = valid_utf8_prefix(text);
  if (valid != text.size())
    throw Error(where + ": byte " + std::to_string(valid + 1) +
                " is no valid UTF-8; save the file as UTF-8");
}

}  // namespace tptt
