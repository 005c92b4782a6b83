#include "data/formats.h"

namespace tptt {

Row read_alpaca_row(const Json& row, const std::string& where) {
  std::string user = required_text(row, "instruction", where);
  const std::string input = json_string(row, "input", where, "");
  if (!input.empty()) user += "\n\n" + input;
  return {{{"user", user}, {"assistant", required_text(row, "output", where)}}, "", "", where};
}

}  // namespace tptt
