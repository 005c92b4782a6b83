#pragma once

#include <filesystem>
#include <string>

#include "data/dataset.h"

namespace tptt {

/// What a file of cached tokens must hold to be believed.
struct TokenCacheBounds {
  std::string key;
  int64_t num_rows = 0, vocab_size = 0, max_length = 0;
};

/// Reads tokens back. Throws Error that says what is wrong with the file.
TokenizedRows read_token_cache(const std::filesystem::path& path, const TokenCacheBounds& bounds);

/// Writes ids [N] I32, train [N] U8, lengths [E] and rows [E] I64 (E examples of N tokens in all),
/// the key, the counts and a SHA-256 of the tensors as safetensors. Throws Error.
void write_token_cache(const std::filesystem::path& path, const std::string& key,
                       const TokenizedRows& tokens);

}  // namespace tptt
