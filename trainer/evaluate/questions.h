#pragma once

#include <string>
#include <vector>

#include "data/tokenizer.h"
#include "models/causal_lm.h"
#include "trainer/config.h"
#include "trainer/report_page.h"

namespace tptt {

struct Question {
  std::string prompt, expected;  // as people read them
  TokenIds ids;                  // of the prompt
};

/// The first ten rows of data.eval, or of data.train where there is none, without those whose
/// prompt is empty or longer than data.max_length. Throws Error.
std::vector<Question> first_questions(const Config& config, const CausalLM& model,
                                      const Tokenizer& tokenizer);

/// The model's greedy answers of at most 64 tokens, in batches of prompts of about
/// `max_tokens` tokens.
std::vector<Answer> answer(const CausalLM& model, const Tokenizer& tokenizer,
                           const std::vector<Question>& questions, int64_t max_tokens);

}  // namespace tptt
