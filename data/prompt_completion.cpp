#include "data/formats.h"
#include "models/formats/error.h"

namespace tptt {

Row read_prompt_completion_row(const Json& row, const std::string& where) {
  Row out;
  out.prompt = json_string(row, "prompt", where);
  out.completion = json_string(row, "completion", where);
  out.where = where;
  if (out.completion.empty()) throw Error(where + ": key 'completion' is empty; expected text");
  return out;
}

}  // namespace tptt
