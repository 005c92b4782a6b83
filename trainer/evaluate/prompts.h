#pragma once

#include <string>
#include <vector>

#include "data/tasks/task.h"
#include "data/tokenizer.h"
#include "trainer/evaluate/requests.h"

namespace tptt {

/// The shots before each of a task's questions, as the protocol chooses them: MMLU's first, its
/// balanced ones (lighteval), or lm-evaluation-harness' draw by seed 1234.
std::vector<std::vector<const Doc*>> choose_shots(const Task& task);

/// Description and shots, each with a blank before its answer and an empty line behind.
std::string shots_text(const Task& task, const std::vector<const Doc*>& shots);

/// One question as the model is asked.
struct Prompt {
  std::vector<Request> requests;  // one, or one a choice where each has a context of its own
  bool truncated = false;         // tokens of the context's beginning, or shots, were left out
};

/// Of each question; without continuations where the answer is written. Contexts that leave no room
/// for `new_tokens` or the choices in `max_length` lose their beginning; Hendrycks' protocol leaves
/// out shots before, while more than 2,048 tokens remain. Throws Error that names the row of a
/// question that cannot be asked.
std::vector<Prompt> make_prompts(const Task& task, const Tokenizer& tokenizer, int64_t max_length,
                                 int64_t new_tokens);

}  // namespace tptt
