#include "data/formats.h"
#include "models/formats/error.h"

namespace tptt {

Row read_alpaca_row(const Json& row, const std::string& where) {
  const std::string instruction = json_string(row, "instruction", where);
  const std::string input = json_string(row, "input", where, "");
  const std::string output = json_string(row, "output", where);
  if (instruction.empty()) throw Error(where + ": key 'instruction' is empty; expected text");
  if (output.empty()) throw Error(where + ": key 'output' is empty; expected the answer's text");
  const std::string user = input.empty() ? instruction : instruction + "\n\n" + input;
  return {{{"user", user}, {"assistant", output}}, "", "", where};
}

}  // namespace tptt
