#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "models/causal_lm.h"
#include "trainer/config.h"
#include "trainer/report_page.h"

namespace tptt {

struct Question {
  std::string prompt, expected;  // as people read them
  TokenIds ids;                  // of the prompt
};

/// What the rows ask, without those whose prompt is empty or longer than data.max_length.
std::vector<Question> questions_of(const std::vector<Row>& rows, const Config& config,
                                   const CausalLM& model, const Tokenizer& tokenizer);

/// The model's greedy answers of at most 64 tokens, in batches of prompts of about
/// `max_tokens` tokens.
std::vector<Answer> answer(const CausalLM& model, const Tokenizer& tokenizer,
                           const std::vector<Question>& questions, int64_t max_tokens);

}  // namespace tptt
