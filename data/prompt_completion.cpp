#include "data/formats.h"

namespace tptt {

Row read_prompt_completion_row(const Json& row, const std::string& where) {
  return {.prompt = json_string(row, "prompt", where),
          .completion = required_text(row, "completion", where),
          .where = where};
}

}  // namespace tptt
