#include "data/file_kinds.h"
#include "data/line_reader.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

constexpr std::string_view kBlank = " \t\r\n";

using TakeText = std::function<bool(const std::string& text, const std::string& where)>;

/// Cuts a JSON array into its elements without holding it whole, so that each row is named by its
/// own line. What an element is worth is for the JSON parser to say.
class ArraySplitter {
 public:
  explicit ArraySplitter(const TakeText& take) : take_(take) {}

  /// Takes the next line; false when `take` has enough.
  bool push(const std::string& line, const std::string& where) {
    for (const char c : line)
      if (!push(c, where)) return false;
    if (!element_.empty()) element_ += '\n';
    return true;
  }

  void finish(const std::string& where) const {
    if (!closed_) throw Error(where + ": the JSON array is not closed; expected ']' at its end");
  }

 private:
  bool push(char c, const std::string& where) {
    const bool blank = kBlank.find(c) != std::string_view::npos;
    if (element_.empty() && blank) return true;
    if (closed_) throw Error(where + ": text after the JSON array; expected its ']' at the end");
    if (!opened_) return opened_ = true;  // each_json_row saw the '['
    if (!in_string_ && depth_ == 0 && (c == ',' || c == ']')) return end_element(c, where);
    if (element_.empty()) element_where_ = where;
    element_ += c;
    if (element_.size() > LineReader::kMaxLine)
      throw Error(element_where_ + ": row is longer than " +
                  std::to_string(LineReader::kMaxLine >> 20) + " MiB; is a bracket not closed?");
    if (in_string_) {
      in_string_ = escaped_ || c != '"';
      escaped_ = !escaped_ && c == '\\';
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if ((c == '}' || c == ']') && --depth_ < 0) {
      throw Error(where + ": no valid JSON: '}' without its '{'");
    }
    return true;
  }

  bool end_element(char c, const std::string& where) {
    closed_ = c == ']';
    if (element_.empty()) {
      if (closed_ && num_elements_ == 0) return true;
      throw Error(where + ": expected a JSON object before '" + std::string(1, c) + "'");
    }
    ++num_elements_;
    const bool more = take_(element_, element_where_);
    element_.clear();
    return more;
  }

  const TakeText& take_;
  std::string element_, element_where_;
  int64_t depth_ = 0, num_elements_ = 0;
  bool opened_ = false, closed_ = false, in_string_ = false, escaped_ = false;
};

Json parse_row(const std::string& text, const std::string& where) {
  check_utf8(text, where);
  Json row = parse_json(text, where);
  if (!row.is_object()) throw Error(where + ": expected a JSON object, got " + row.type_name());
  return row;
}

}  // namespace

void each_json_row(const std::string& path, const TakeRow& take) {
  const TakeText take_text = [&](const std::string& text, const std::string& where) {
    return take(where, [&] { return parse_row(text, where); });
  };
  LineReader reader(path);
  ArraySplitter array(take_text);
  std::string line, last;
  bool any = false, is_array = false;
  while (reader.next(line)) {
    last = reader.where();
    const size_t first = line.find_first_not_of(kBlank);
    if (first == std::string::npos && !is_array) continue;
    if (!any) is_array = line[first] == '[';
    any = true;
    if (!(is_array ? array.push(line, last) : take_text(line, last))) return;
  }
  if (is_array) array.finish(last);
}

}  // namespace tptt
