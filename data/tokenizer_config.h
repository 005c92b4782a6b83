#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/added_tokens.h"
#include "models/formats/json.h"

namespace tptt {

/// What tokenizer_config.json (and chat_template.jinja) beside the vocabulary says.
struct TokenizerConfig {
  std::string where;
  std::optional<bool> add_bos, add_eos;  // for SentencePiece models
  bool legacy = true;  // SentencePiece: a text after a special token gets a space before it too
  std::vector<AddedToken> added;  // added_tokens_decoder
  std::string chat_template;
};

/// All defaults when the directory has no such file. Throws Error naming file and key.
TokenizerConfig read_tokenizer_config(const std::string& dir);

/// An entry of added_tokens or added_tokens_decoder, but for its id. Throws Error.
AddedToken read_added_token(const Json& json, int64_t id, const std::string& where);

/// Ids of token lists are below this.
inline constexpr int64_t kMaxVocab = 4'000'000;

/// Throws Error when `id` is far beyond a vocabulary of `count` tokens: it would be a list of
/// holes.
void check_token_id(int64_t id, size_t count, const std::string& where);

}  // namespace tptt
