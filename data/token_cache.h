#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/sha256.h"

namespace tptt {

/// Where cached tokens lie: tptt/tokens in the user's cache.
std::filesystem::path token_cache_dir();

/// SHA-256 of the files that the model's tokenizer is read from (of GGUF the part before the
/// tensors). Throws Error.
Digest tokenizer_hash(const ModelFiles& files);

struct CachedTokens {
  TokenizedRows tokens;
  bool from_cache = false;
  std::string problem = {};  // why a file of the cache was not used, or could not be written
};

/// tokenize_rows by way of `dir`/KEY.safetensors: KEY is the SHA-256 of all that the tokens follow
/// from (`row_hashes`, `tokenizer_hash`, EOS, options). A file there is believed only when its
/// checksum, its shapes and counts, its ids and some rows tokenised anew are right; else it is
/// written again.
CachedTokens tokenize_cached(const std::vector<Row>& rows, const std::vector<Digest>& row_hashes,
                             const Tokenizer& tokenizer, const Digest& tokenizer_hash,
                             int32_t eos_token_id, const TokenizeOptions& options,
                             const std::filesystem::path& dir);

}  // namespace tptt
