#include "trainer/evaluate/text.h"

#include <algorithm>

#include "data/dataset.h"
#include "data/line_reader.h"
#include "models/formats/error.h"

namespace tptt {

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
