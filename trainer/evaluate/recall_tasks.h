#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "data/tokenizer.h"

namespace tptt {

/// A sequence with answers in it: token ranges [begin, end) that should be foreseen.
struct RecallItem {
  TokenIds ids;
  std::vector<std::pair<int64_t, int64_t>> answers;
};

/// A sentence with a random number, at `depth` (0: first, 1: last) of `length` tokens of the text,
/// and at the end the question for that number. Throws Error when the text is too short.
RecallItem make_needle(const Tokenizer& tokenizer, const TokenIds& text, int64_t length,
                       double depth, uint64_t seed, uint64_t sample);

/// `num_keys` lines "word: number", and all of them again in another order: the answers are the
/// numbers of the second time.
RecallItem make_associative(const Tokenizer& tokenizer, int64_t num_keys, uint64_t seed,
                            uint64_t sample);

/// The most keys that make_associative has words for.
int64_t max_associative_keys();

/// `length` tokens from a random place of the text, every one but the first an answer of its own.
RecallItem make_window(const TokenIds& text, int64_t length, uint64_t seed, uint64_t sample);

}  // namespace tptt
