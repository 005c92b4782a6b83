#include "data/formats.h"

#include "models/formats/error.h"

namespace tptt {
namespace {

std::string known_formats() {
  std::string known;
  for (const RowFormat& format : row_formats()) {
    if (!known.empty()) known += ", ";
    known += std::string(format.name) + " (key '" + format.key + "')";
  }
  return known;
}

}  // namespace

const std::vector<RowFormat>& row_formats() {
  // "messages" is first: published chat sets often repeat the first question under "prompt".
  // "text" is last: published instruction sets often have the rendered prompt under it.
  static const std::vector<RowFormat> table = {
      {"messages", "messages", read_messages_row},
      {"sharegpt", "conversations", read_sharegpt_row},
      {"alpaca", "instruction", read_alpaca_row},
      {"prompt-completion", "prompt", read_prompt_completion_row},
      {"text", "text", read_text_row},
  };
  return table;
}

const RowFormat& find_row_format(const std::string& name) {
  for (const RowFormat& format : row_formats())
    if (name == format.name) return format;
  throw UsageError("dataset format '" + name + "' is not known; expected auto or one of " +
                   known_formats());
}

const RowFormat* recognise_row_format(const Json& row) {
  for (const RowFormat& format : row_formats())
    if (row.contains(format.key)) return &format;
  return nullptr;
}

void refuse_unknown_format(const Json& row, const std::string& where) {
  throw Error(where + ": no known dataset format; expected one of " + known_formats() +
              ", got keys " + keys_of(row) + "; name them in data.columns or data.prompt_template");
}

std::string keys_of(const Json& row) {
  std::string keys;
  for (const auto& item : row.items()) {
    if (!keys.empty()) keys += ", ";
    if (keys.size() > 120) return keys + "...";
    keys += json_quoted(item.key());
  }
  return keys.empty() ? "none" : keys;
}

std::vector<std::string> row_format_names() {
  std::vector<std::string> names = {"auto"};
  for (const RowFormat& format : row_formats()) names.push_back(format.name);
  names.push_back(kTemplateFormat);
  return names;
}

std::string json_quoted(const std::string& text) {
  return Json(text.substr(0, 40)).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string required_text(const Json& row, const std::string& key, const std::string& where) {
  std::string text = json_string(row, key, where);
  if (text.empty()) throw Error(where + ": key '" + key + "' is empty; expected text");
  return text;
}

}  // namespace tptt
