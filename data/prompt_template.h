#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "models/formats/json.h"

namespace tptt {

/// A prompt with {field} in it, as ReadOptions::prompt_template says.
class PromptTemplate {
 public:
  /// Throws UsageError for a brace without its other half and for a text without a field.
  explicit PromptTemplate(const std::string& text);
  /// Throws Error that names `where`, the field that is missing or no text, and those there are.
  Row read(const Json& row, const std::string& where) const;

 private:
  struct Part {
    std::string text;
    bool is_field;
  };
  std::vector<Part> parts_;
};

}  // namespace tptt
