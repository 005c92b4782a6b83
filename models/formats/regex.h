#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace tptt {

/// A compiled PCRE2 pattern over UTF-8 with Unicode properties; \s means Unicode white space as in
/// the Oniguruma patterns of Hugging Face tokenizers and in Python. Matching is bounded.
class Regex {
 public:
  /// Throws Error naming `where` when the pattern does not compile.
  Regex(const std::string& pattern, const std::string& where);
  /// The first match at or after `from`: begin and end offsets; false when there is none. Throws
  /// Error when the text is no UTF-8 or takes the pattern too many steps.
  bool find(std::string_view text, size_t from, size_t* begin, size_t* end) const;

 private:
  std::shared_ptr<void> code_;
};

}  // namespace tptt
