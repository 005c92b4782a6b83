#include "data/formats.h"

namespace tptt {

Row read_alpaca_row(const Json& row, const std::string& where) {
  Message user{"user", required_text(row, "instruction", where),
               json_string(row, "input", where, "")};
  return {{user, {"assistant", required_text(row, "output", where)}}, "", "", where};
}

}  // namespace tptt
