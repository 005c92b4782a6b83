#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/added_tokens.h"
#include "data/bpe_model.h"
#include "data/decoder.h"
#include "data/normalizer.h"
#include "data/pre_tokenizer.h"
#include "data/tokenizer.h"

namespace tptt {

/// A BPE tokenizer's parts, from tokenizer.json or GGUF metadata, in the order they work.
struct BpeParts {
  std::vector<AddedToken> added;
  std::vector<NormalizerStep> normalizer;
  std::vector<PreTokenizerStep> pre_tokenizer;
  BpeVocab vocab = {};
  TokenIds prefix, suffix;  // what the post-processor adds
  std::vector<DecoderStep> decoder;
  std::string chat_template;
  std::string where;  // file, for messages
};

/// Throws Error when a merge names a token that is not in the vocabulary.
std::unique_ptr<Tokenizer> make_bpe_tokenizer(BpeParts parts);

/// Parts of a Hugging Face tokenizer.json (+ tokenizer_config.json, chat template beside it).
BpeParts read_tokenizer_json(const std::string& dir);

/// Parts from GGUF metadata, tokenizer.ggml.model "gpt2" or "llama".
BpeParts read_gguf_tokenizer(const std::string& path);

}  // namespace tptt
