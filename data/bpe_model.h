#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/string_map.h"

namespace tptt {

/// What a BPE model is made of.
struct BpeVocab {
  std::vector<std::string> tokens;  // by id; added ones as they are
  /// In order of rank. Empty for SentencePiece's BPE, whose pairs rank by the score of what they
  /// become; `scores` then has a score for each token and NaN for those that no pair becomes.
  std::vector<std::pair<std::string, std::string>> merges = {};
  std::vector<double> scores = {};
  bool byte_level = false;     // symbols are bytes in the byte-level alphabet, else characters
  bool byte_fallback = false;  // characters that are no token become tokens of their bytes
  bool fuse_unk = false;       // neighbouring unknown characters become one unknown token
  bool ignore_merges = false;  // a word that is a token is that token
  int32_t unk_id = -1;         // -1: unknown characters are dropped
};

/// Joins the symbols of a word: the pair of lowest rank first, leftmost first.
class BpeModel {
 public:
  struct Word {
    std::vector<int32_t> ids = {};
    std::vector<uint32_t> offsets = {};  // first byte of each in the word
  };

  /// `where` names the file. Throws Error when a merge names a token that is not in the vocabulary,
  /// or a token of SentencePiece's BPE is longer than any.
  BpeModel(BpeVocab vocab, const std::string& where);
  /// Appends a pre-tokenised word's ids and, each plus `begin`, their first bytes.
  void append(std::string_view word, size_t begin, std::vector<int32_t>& ids,
              std::vector<uint32_t>& offsets) const;
  /// -1 when there is none.
  int32_t id(std::string_view token) const;
  const std::vector<std::string>& tokens() const { return vocab_.tokens; }
  bool byte_level() const { return vocab_.byte_level; }

 private:
  struct Merge {
    int32_t rank, joined;
  };
  struct Symbol {
    int32_t id, previous, next;  // neighbours' indices, -1 at the ends
    uint32_t offset;
  };

  void add_ranked_merges(const std::string& where);
  void add_scored_merges(const std::string& where);
  void find_word_breaks();
  const Merge* find_merge(int32_t left, int32_t right) const;
  void append_cached(std::string_view word, size_t begin, std::vector<int32_t>& ids,
                     std::vector<uint32_t>& offsets) const;
  Word merge(std::string_view word) const;
  std::vector<Symbol> symbols(std::string_view word) const;
  std::vector<Symbol> byte_symbols(std::string_view word) const;

  BpeVocab vocab_;
  StringMap<int32_t> ids_;
  std::array<int32_t, 256> byte_ids_{};  // of single bytes, as symbols or for byte_fallback
  std::unordered_map<uint64_t, Merge> merges_;
  bool breaks_at_spaces_ = false;  // no token joins a U+2581 with what is before it
  // Words seen before, in shards so that threads seldom wait for one another.
  struct CacheShard {
    std::mutex mutex;
    StringMap<Word> words;
  };
  mutable std::array<CacheShard, 16> cache_;
};

}  // namespace tptt
