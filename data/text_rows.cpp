#include "data/file_kinds.h"
#include "data/line_reader.h"

namespace tptt {

void each_text_row(const std::string& path, const TakeRow& take) {
  take(path, [&] {
    std::string text = read_utf8(path);
    if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
    return Json{{"text", std::move(text)}};
  });
}

}  // namespace tptt
