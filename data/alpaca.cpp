#include "data/formats.h"

namespace tptt {

Row read_alpaca_row(const Json& row, const std::string& where) {
  const Message user{"user", required_text(row, "instruction", where),
                     json_string(row, "input", where, "")};
  return {.messages = {user, {"assistant", required_text(row, "output", where)}}, .where = where};
}

}  // namespace tptt
