#include "data/prompt_template.h"

#include <algorithm>

#include "data/formats.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

[[noreturn]] void refuse(const std::string& text, size_t at, const std::string& what) {
  throw UsageError("data.prompt_template: character " + std::to_string(at + 1) + " of " +
                   json_quoted(text) + ": " + what + "; expected {field}, or {{ and }} for braces");
}

// A number as JSON writes it, so that CSV and Parquet give the same text.
std::string field_text(const Json& row, const std::string& field, const std::string& where) {
  const auto it = row.find(field);
  if (it == row.end() || it->is_null())
    throw Error(where + ": data.prompt_template needs the field " + json_quoted(field) +
                "; the row has " + keys_of(row));
  if (it->is_string()) return it->get<std::string>();
  if (it->is_number() || it->is_boolean()) return it->dump();
  throw Error(where + ": the field " + json_quoted(field) +
              " of data.prompt_template must be a text or a number, got " + it->type_name());
}

}  // namespace

PromptTemplate::PromptTemplate(const std::string& text) {
  std::string plain;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c != '{' && c != '}') {
      plain += c;
    } else if (at + 1 < text.size() && text[at + 1] == c) {
      plain += text[++at];
    } else if (c == '}') {
      refuse(text, at, "a '}' without its '{'");
    } else {
      const size_t end = text.find_first_of("{}", at + 1);
      if (end == std::string::npos || text[end] != '}') refuse(text, at, "a '{' without its '}'");
      if (end == at + 1) refuse(text, at, "an empty field name");
      parts_.push_back({std::move(plain), false});
      parts_.push_back({text.substr(at + 1, end - at - 1), true});
      plain.clear();
      at = end;
    }
  }
  if (parts_.empty()) refuse(text, 0, "no field of the row is in it");
  parts_.push_back({std::move(plain), false});
}

Row PromptTemplate::read(const Json& row, const std::string& where) const {
  Row out;
  out.where = where;
  for (const Part& part : parts_)
    out.prompt += part.is_field ? field_text(row, part.text, where) : part.text;
  const char* key = row.contains("completion") ? "completion" : "output";
  if (!row.contains(key))
    throw Error(where +
                ": key 'completion' (or 'output') is missing; name the row's field for it "
                "in data.columns.completion; the row has " +
                keys_of(row));
  out.completion = required_text(row, key, where);
  return out;
}

}  // namespace tptt
