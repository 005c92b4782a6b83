#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "models/formats/json.h"

namespace tptt {

/// One row format: a line in formats.cpp's table and a file of its own.
struct RowFormat {
  const char* name;
  const char* key;  // a first row with this key is of this format when the format is "auto"
  Row (*read)(const Json& row, const std::string& where);
};

const std::vector<RowFormat>& row_formats();

/// The name of rows that data.prompt_template reads.
inline constexpr const char* kTemplateFormat = "template";

/// The format of this name. Throws UsageError for an unknown one.
const RowFormat& find_row_format(const std::string& name);
/// The first format whose key `row` has, or null.
const RowFormat* recognise_row_format(const Json& row);
[[noreturn]] void refuse_unknown_format(const Json& row, const std::string& where);

/// Each reads one JSON object; Error names `where`, the field and what was expected.
Row read_alpaca_row(const Json& row, const std::string& where);
Row read_messages_row(const Json& row, const std::string& where);
Row read_prompt_completion_row(const Json& row, const std::string& where);
Row read_sharegpt_row(const Json& row, const std::string& where);
Row read_text_row(const Json& row, const std::string& where);

/// The text of `key`, which must not be empty.
std::string required_text(const Json& row, const std::string& key, const std::string& where);

/// The row's keys, for messages.
std::string keys_of(const Json& row);

/// The start of a text from outside as a JSON string, so that an error stays one line.
std::string json_quoted(const std::string& text);

}  // namespace tptt
