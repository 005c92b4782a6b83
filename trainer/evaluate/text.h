#pragma once

#include <string>
#include <vector>

#include "data/tokenizer.h"
#include "models/causal_lm.h"

namespace tptt {

/// A part of a text: tokens begin .. end - 2 are read, first .. end - 1 are scored.
struct TextWindow {
  int64_t begin, first, end;
};

/// Windows of at most `length` tokens read, of which each after the first scores its last
/// `stride`, 1 .. length; together they score every token but the first.
/// lm-evaluation-harness' loglikelihood_rolling has stride = length.
std::vector<TextWindow> rolling_windows(int64_t num_tokens, int64_t length, int64_t stride);

/// A text as the model reads it.
struct Text {
  TokenIds ids;                          // BOS (or EOS) and the text, at least two
  int64_t num_bytes = 0, num_words = 0;  // of the text
};

/// Reads and tokenises a UTF-8 text file. A BOS that the tokenizer puts in stays the only one.
/// Throws Error when it is no UTF-8, empty, or not of the model's vocabulary.
Text read_text(const std::string& path, const Tokenizer& tokenizer, const ModelConfig& config);

/// The sum of the log-probabilities of what the windows score, read `max_tokens` tokens at a time,
/// about.
double score_text(const CausalLM& model, const TokenIds& ids,
                  const std::vector<TextWindow>& windows, int64_t max_tokens, Branch branch);

}  // namespace tptt
