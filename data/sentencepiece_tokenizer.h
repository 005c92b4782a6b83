#pragma once

#include <memory>
#include <string>

#include "data/tokenizer.h"

namespace tptt {

/// A SentencePiece model, unigram or BPE: tokenizer.model of a directory, with what its
/// tokenizer_config.json adds. BOS is put before a text and EOS not after it where that file does
/// not say. Throws Error naming the file, for hostile files too.
std::unique_ptr<Tokenizer> load_sentencepiece_tokenizer(const std::string& dir);

}  // namespace tptt
