#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tptt {

/// What a SentencePiece model file holds (ModelProto of sentencepiece_model.proto).
struct SentencePieceModel {
  enum Type : uint64_t { normal = 1, unknown, control, user_defined, unused, byte };
  struct Piece {
    std::string text = {};
    float score = 0;
    uint64_t type = normal;
  };
  std::vector<Piece> pieces;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
};

/// Reads the file's fields and refuses what libsentencepiece 0.1.97 crashes on, by the rules of
/// sentencepiece 0.2.3: pieces that are empty, too long, doubled or hold a NUL, and character maps
/// whose trie leads outside itself. Model types other than unigram and BPE, and settings that
/// change how tokens become text, are refused by name. Throws Error naming `where`.
SentencePieceModel check_sentencepiece_model(std::string_view proto, const std::string& where);

}  // namespace tptt
