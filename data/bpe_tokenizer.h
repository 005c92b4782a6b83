#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/pre_tokenizer.h"
#include "data/tokenizer.h"

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

/// A byte-level BPE tokenizer's parts, from tokenizer.json or GGUF metadata.
struct BpeParts {
  std::vector<std::string> tokens;  // by id, in the byte-level alphabet; added ones as they are
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<AddedToken> added;
  std::vector<PreTokenizerStep> steps;
  bool nfc = false;
  bool ignore_merges = false;
  int32_t unk_id = -1;
  TokenIds prefix, suffix;  // what the post-processor adds
  std::string chat_template;
  std::string where;  // file, for messages
};

/// Throws Error when a merge names a token that is not in the vocabulary.
std::unique_ptr<Tokenizer> make_bpe_tokenizer(BpeParts parts);

/// Parts of a Hugging Face tokenizer.json (+ chat template beside it).
BpeParts read_tokenizer_json(const std::string& dir);

/// Parts from GGUF metadata, tokenizer.ggml.model "gpt2".
BpeParts read_gguf_tokenizer(const std::string& path);

}  // namespace tptt
