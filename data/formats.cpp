#include "data/formats.h"

#include "models/formats/error.h"

namespace tptt {

const std::vector<RowFormat>& row_formats() {
  static const std::vector<RowFormat> table = {
      {"alpaca", "instruction", read_alpaca_row},
      {"messages", "messages", read_messages_row},
      {"prompt-completion", "prompt", read_prompt_completion_row},
  };
  return table;
}

const RowFormat& find_row_format(const std::string& name, const Json& first_row,
                                 const std::string& where) {
  std::string known;
  for (const RowFormat& format : row_formats()) {
    if (name == format.name) return format;
    if (name == "auto" && first_row.is_object() && first_row.contains(format.key)) return format;
    known += (known.empty() ? "" : ", ") + std::string(format.name) + " (key '" + format.key + "')";
  }
  if (name == "auto") throw Error(where + ": no known dataset format; expected one of: " + known);
  throw UsageError("dataset format '" + name + "' is not known; expected auto or one of: " + known);
}

}  // namespace tptt
