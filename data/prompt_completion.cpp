#include "data/formats.h"

namespace tptt {

Row read_prompt_completion_row(const Json& row, const std::string& where) {
  return {{}, json_string(row, "prompt", where), required_text(row, "completion", where), where};
}

}  // namespace tptt
