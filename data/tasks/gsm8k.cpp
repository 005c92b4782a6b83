#include "data/tasks/task_rows.h"

namespace tptt {

Doc read_gsm8k(const Json& row, const std::string& where, Protocol) {
  return {where,
          {"Question: " + json_string(row, "question", where) + "\nAnswer:"},
          {json_string(row, "answer", where)},
          {0}};
}

}  // namespace tptt
