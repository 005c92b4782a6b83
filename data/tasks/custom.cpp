#include "data/tasks/task_rows.h"
#include "data/utf8.h"
#include "models/formats/error.h"

namespace tptt {

static std::string text_of(const Json& row, const char* name, const std::string& where) {
  const std::string text = json_string(row, name, where);
  if (strip(text).empty()) throw Error(where + ": \"" + name + "\" is empty");
  return text;
}

Doc read_custom_choice(const Json& row, const std::string& where, Protocol) {
  Doc doc{where, {text_of(row, "question", where)}, {}, {}};
  read_choices(row, where, doc);
  return doc;
}

Doc read_custom_match(const Json& row, const std::string& where, Protocol) {
  const std::string answer = text_of(row, "answer", where);
  if (strip(answer).find('\n') != std::string::npos)
    throw Error(where + ": \"answer\" has several lines; what is written ends with the line");
  return {where, {text_of(row, "question", where)}, {answer}, {0}};
}

}  // namespace tptt
