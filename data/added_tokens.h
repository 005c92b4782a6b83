#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tptt {

inline constexpr size_t kLongestAddedToken = 1024;  // bytes; Gemma's runs of spaces have 31

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
  /// Takes the tokens whose `normalized` flag is as given. Throws Error naming the file `where`
  /// when one is longer than any tokenizer's.
  AddedTokens(const std::vector<AddedToken>& tokens, bool normalized, const std::string& where);
  /// The spans cover the text.
  std::vector<TextSpan> split(std::string_view text) const;

 private:
  const AddedToken* find_at(std::string_view text, size_t at) const;

  std::vector<AddedToken> tokens_;
  // A trie: from a node by a byte to the next; node 0 is the root.
  std::unordered_map<uint64_t, uint32_t> next_;
  std::vector<int32_t> ends_;       // by node: the token whose text leads here, -1 for none
  std::array<bool, 256> begins_{};  // bytes that begin a token
};

}  // namespace tptt
