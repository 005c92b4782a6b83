#include <functional>

#include "data/formats.h"
#include "data/utf8.h"
#include "models/formats/error.h"
#include "models/formats/tensor_file.h"

namespace tptt {
namespace {

constexpr uint64_t kMaxFile = 8ull << 30;

std::string read_text(const std::string& path) {
  const ReadFile file(path);
  if (file.size() > kMaxFile)
    throw Error(path + ": larger than 8 GiB; split it into several files");
  std::string text(file.size(), '\0');
  file.read(0, text.data(), text.size());
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return text;
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

using TakeRow = std::function<bool(const Json& row, const std::string& where)>;  // false: enough

void each_array_item(const std::string& text, const std::string& path, const TakeRow& take) {
  const Json json = parse_json(text, path);
  size_t index = 0;
  for (const Json& row : json)
    if (!take(row, path + ": row " + std::to_string(++index))) return;
}

void each_line(const std::string& text, const std::string& path, const TakeRow& take) {
  size_t begin = 0, line_number = 0;
  while (begin < text.size()) {
    size_t end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    const std::string_view line(text.data() + begin, end - begin);
    const std::string where = path + ":" + std::to_string(++line_number);
    begin = end + 1;
    if (is_blank(line)) continue;
    if (valid_utf8_prefix(line) != line.size()) throw Error(where + ": no valid UTF-8");
    if (!take(parse_json(line, where), where)) return;
  }
}

}  // namespace

std::vector<Row> read_rows(const std::string& path, const std::string& format, int64_t limit) {
  const std::string text = read_text(path);
  const RowFormat* chosen = nullptr;
  std::vector<Row> rows;
  const TakeRow take = [&](const Json& row, const std::string& where) {
    if (!row.is_object()) throw Error(where + ": expected a JSON object, got " + row.type_name());
    if (!chosen) chosen = &find_row_format(format, row, where);
    rows.push_back(chosen->read(row, where));
    return limit <= 0 || int64_t(rows.size()) < limit;
  };
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && text[first] == '[') {
    each_array_item(text, path, take);
  } else {
    each_line(text, path, take);
  }
  if (rows.empty()) throw Error(path + ": the dataset is empty; expected at least one row");
  return rows;
}

}  // namespace tptt
