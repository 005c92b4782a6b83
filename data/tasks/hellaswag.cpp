#include "data/tasks/task_rows.h"
#include "data/utf8.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
}

// Without the marks of WikiHow's pages: "[...]" within a line.
std::string without_brackets(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text[at] == '[' ? text.find_first_of("]\n", at) : std::string::npos;
    if (end != std::string::npos && text[end] == ']') {
      at = end + 1;
    } else {
      out += text[at++];
    }
  }
  return out;
}

std::string cleaned(const std::string& raw) {
  std::string text = strip(raw);
  replace_all(text, " [title]", ". ");
  text = without_brackets(text);
  replace_all(text, "  ", " ");
  return text;
}

int64_t label_of(const Json& row, const std::string& where, size_t count) {
  const Json& label = row.contains("label") ? row["label"] : Json();
  std::string text = label.is_number_integer() ? label.dump()
                     : label.is_string()       ? label.get<std::string>()
                                               : "";
  if (text.size() == 1 && text[0] >= '0' && size_t(text[0] - '0') < count) return text[0] - '0';
  throw Error(where + ": expected \"label\" to be 0 to " + std::to_string(count - 1) + ", got " +
              (label.is_null() ? "none" : label.dump()));
}

}  // namespace

Doc read_hellaswag(const Json& row, const std::string& where, Protocol) {
  const std::string context = json_string(row, "activity_label", where) + ": " +
                              json_string(row, "ctx_a", where) + " " +
                              capitalized(json_string(row, "ctx_b", where));
  Doc doc{where, {cleaned(context)}, {}, {}};
  for (const std::string& ending : json_texts(row, "endings", where, 2))
    doc.choices.push_back(cleaned(ending));
  doc.right = {label_of(row, where, doc.choices.size())};
  return doc;
}

}  // namespace tptt
