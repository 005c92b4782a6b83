#include "data/tasks/task_rows.h"
#include "models/formats/error.h"

namespace tptt {

// The last word of a passage, after all before it.
Doc read_lambada(const Json& row, const std::string& where, Protocol) {
  const std::string text = json_string(row, "text", where);
  const size_t blank = text.rfind(' ');
  if (blank == std::string::npos || blank == 0 || blank + 1 == text.size())
    throw Error(where + ": expected \"text\" to be at least two words with a blank between them");
  return {where, {text.substr(0, blank)}, {text.substr(blank + 1)}, {0}};
}

}  // namespace tptt
