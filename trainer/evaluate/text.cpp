#include "trainer/evaluate/text.h"

#include <algorithm>

#include "data/dataset.h"
#include "data/utf8.h"
#include "models/formats/error.h"
#include "models/formats/tensor_file.h"

namespace tptt {
namespace {

constexpr uint64_t kMaxBytes = 1ull << 30;

}  // namespace

std::string read_utf8(const std::string& path) {
  const ReadFile file(path);
  if (file.size() > kMaxBytes) throw Error(path + ": larger than 1 GiB; score a part of it");
  std::string text(file.size(), '\0');
  file.read(0, text.data(), text.size());
  if (valid_utf8_prefix(text) != text.size())
    throw Error(path + ": byte " + std::to_string(valid_utf8_prefix(text) + 1) +
                " is no valid UTF-8; save the file as UTF-8");
  return text;
}

TextWindows read_text_windows(const std::string& path, const Tokenizer& tokenizer, int64_t length) {
  const std::string text = read_utf8(path);
  const TokenIds ids = encode_prompt(text, tokenizer);
  if (ids.size() < 2) throw Error(path + ": expected a text of at least two tokens");
  TextWindows out;
  out.num_bytes = int64_t(text.size());
  for (size_t begin = 0; begin + 1 < ids.size(); begin += size_t(length)) {
    const size_t end = std::min(ids.size(), begin + size_t(length));
    const std::vector<bool> all(end - begin, true);
    out.windows.push_back({TokenIds(ids.begin() + long(begin), ids.begin() + long(end)), all});
  }
  return out;
}

}  // namespace tptt
