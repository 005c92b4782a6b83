#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "models/formats/json.h"

namespace tptt {

/// One dataset format: a table line in formats.cpp and a file of its own.
struct RowFormat {
  const char* name;
  const char* key;  // a row that has it is taken for this format by "auto"
  Row (*read)(const Json& row, const std::string& where);
};

const std::vector<RowFormat>& row_formats();

/// The format of this name, or for "auto" the one that `first_row` fits. Throws UsageError / Error.
const RowFormat& find_row_format(const std::string& name, const Json& first_row,
                                 const std::string& where);

Row read_alpaca_row(const Json& row, const std::string& where);
Row read_messages_row(const Json& row, const std::string& where);
Row read_prompt_completion_row(const Json& row, const std::string& where);

}  // namespace tptt
