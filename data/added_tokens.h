#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tptt {

struct AddedToken;

/// A stretch of text, or an added token found in it (id >= 0).
struct TextSpan {
  std::string_view text;
  int32_t id = -1;
};

/// Finds added tokens in text: leftmost, then longest, with the single_word, lstrip and rstrip
/// rules of Hugging Face's AddedVocabulary.
class AddedTokens {
 public:
  explicit AddedTokens(const std::vector<AddedToken>& tokens);
  /// Splits by the tokens whose `normalized` flag is as given; the spans cover the text.
  std::vector<TextSpan> split(std::string_view text, bool normalized) const;

 private:
  std::vector<AddedToken> tokens_;  // longest first
};

}  // namespace tptt
