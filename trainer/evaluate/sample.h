#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "models/causal_lm.h"
#include "trainer/evaluate/paired.h"
#include "trainer/process_group.h"

namespace tptt {

struct LossScore {
  double loss = 0;  // mean over target tokens
  int64_t num_target_tokens = 0;
  std::vector<ExampleLoss> examples;  // one an example, in their order
};

/// Mean loss over all target tokens of the examples, in batches of about `max_tokens` tokens, which
/// the group's processes share.
LossScore evaluate_loss(const CausalLM& model, const std::vector<Example>& examples,
                        int64_t max_tokens, Branch branch = Branch::mixed,
                        const ProcessGroup& group = {});

/// What the row's last assistant turn or completion says, without blanks around it.
std::string expected_answer(const Row& row);

/// Ids of what comes before it. `shots` rows from `shot_rows` come first, as earlier turns.
TokenIds prompt_ids(const CausalLM& model, const Tokenizer& tokenizer,
                    const std::string& chat_template, const Row& row,
                    const std::vector<Row>& shot_rows = {}, int64_t shots = 0);

struct ExactMatchScore {
  int64_t correct = 0, total = 0;
  std::vector<std::string> answers;  // one a row
};

/// Greedy answers to the rows' prompts, compared with the expected ones after stripping blanks.
ExactMatchScore evaluate_exact_match(const CausalLM& model, const Tokenizer& tokenizer,
                                     const std::string& chat_template, const std::vector<Row>& rows,
                                     const std::vector<Row>& shot_rows, int64_t shots,
                                     int64_t batch_size, Branch branch = Branch::mixed);

}  // namespace tptt
