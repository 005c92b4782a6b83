#include "data/tasks/task_rows.h"

namespace tptt {

Doc read_arc(const Json& row, const std::string& where, Protocol) {
  Doc doc{where, {"Question: " + json_string(row, "question", where) + "\nAnswer:"}, {}, {}};
  read_choices(row, where, doc);
  return doc;
}

}  // namespace tptt
