#include <algorithm>

#include "data/tasks/answers.h"
#include "data/utf8.h"

namespace tptt {
namespace {

const std::string kMark = "#### ", kNone = "[invalid]";
constexpr std::string_view kDigits = "0123456789";

// Where a run of these characters that begins at `at` ends.
size_t run_end(const std::string& text, size_t at, std::string_view characters) {
  return std::min(text.find_first_not_of(characters, at), text.size());
}

std::string plain(std::string text) {
  std::erase(text, ',');
  std::erase(text, '$');
  if (const size_t mark = text.rfind(kMark); mark != std::string::npos)
    text.erase(0, mark + kMark.size());
  if (text.ends_with('.')) text.pop_back();
  return lower(text);
}

}  // namespace

std::string gsm8k_strict(const std::string& written) {
  for (size_t at = written.find(kMark); at != std::string::npos; at = written.find(kMark, at + 1)) {
    const size_t begin = at + kMark.size();
    const size_t digits = begin + (written.compare(begin, 1, "-") == 0 ? 1 : 0);
    const size_t end = run_end(written, digits, "0123456789.,");
    if (end > digits) return written.substr(begin, end - begin);
  }
  return kNone;
}

std::string gsm8k_flexible(const std::string& written) {
  std::string last = kNone;
  for (size_t at = 0; at < written.size();) {
    const size_t begin = at + (written[at] == '-' ? 1 : 0);
    size_t end = run_end(written, begin, "$0123456789.,");
    if (end - begin < 2) end = run_end(written, begin, kDigits);
    if (end > begin) last = written.substr(at, end - at);
    at = end > begin ? end : at + 1;
  }
  return strip(last);
}

bool gsm8k_equal(const std::string& answer, const std::string& number) {
  return plain(answer) == plain(number);
}

}  // namespace tptt
