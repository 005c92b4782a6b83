#include "data/tasks/task_rows.h"

namespace tptt {

Doc read_openbookqa(const Json& row, const std::string& where, Protocol) {
  const char* key = row.contains("question_stem") ? "question_stem" : "question";
  Doc doc{where, {json_string(row, key, where)}, {}, {}};
  read_choices(row, where, doc);
  return doc;
}

}  // namespace tptt
