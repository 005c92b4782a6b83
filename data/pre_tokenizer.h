#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tptt {

/// A compiled PCRE2 pattern over UTF-8 with Unicode properties; \s means Unicode white space as in
/// the Oniguruma patterns of Hugging Face tokenizers.
class Regex {
 public:
  /// Throws Error naming `where` when the pattern does not compile.
  Regex(const std::string& pattern, const std::string& where);
  /// The first match at or after `from`: begin and end offsets; false when there is none.
  bool find(std::string_view text, size_t from, size_t* begin, size_t* end) const;

 private:
  std::shared_ptr<void> code_;
};

/// What becomes of the text a pattern matches (Hugging Face SplitDelimiterBehavior).
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// One pre-tokenisation step: splits every piece further.
struct PreTokenizerStep {
  Regex regex;
  SplitBehavior behavior = SplitBehavior::isolated;
  bool invert = false;
};

/// GPT-2's pattern, which ByteLevel uses.
extern const char* const kGpt2Pattern;

/// Splits text by the steps in turn; the pieces are views into it.
std::vector<std::string_view> pre_tokenize(const std::vector<PreTokenizerStep>& steps,
                                           std::string_view text);

}  // namespace tptt
