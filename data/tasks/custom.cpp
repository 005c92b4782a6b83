#include "data/tasks/task_rows.h"

namespace tptt {

Doc read_custom_choice(const Json& row, const std::string& where, Protocol) {
  Doc doc{where, {json_string(row, "question", where)}, {}, {}};
  read_choices(row, where, doc);
  return doc;
}

Doc read_custom_match(const Json& row, const std::string& where, Protocol) {
  return {where, {json_string(row, "question", where)}, {json_string(row, "answer", where)}, {0}};
}

}  // namespace tptt
