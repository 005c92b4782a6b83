#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/string_map.h"

namespace tptt {

/// A token matched in the text before everything else (Hugging Face AddedToken).
struct AddedToken {
  std::string text;
  int32_t id = 0;
  bool special = false;
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool normalized = false;
};

/// A stretch of text, or an added token found in it (id >= 0).
struct TextSpan {
  std::string_view text;
  int32_t id = -1;
};

/// Finds added tokens in text: leftmost, then longest, with the single_word, lstrip and rstrip
/// rules of Hugging Face's AddedVocabulary.
class AddedTokens {
 public:
  /// Takes the tokens whose `normalized` flag is as given.
  AddedTokens(const std::vector<AddedToken>& tokens, bool normalized);
  /// The spans cover the text.
  std::vector<TextSpan> split(std::string_view text) const;

 private:
  const AddedToken* find_at(std::string_view text, size_t at) const;

  StringMap<AddedToken> tokens_;
  std::vector<size_t> lengths_[256];  // of the tokens that begin with a byte, longest first
};

}  // namespace tptt
