#pragma once

#include <functional>
#include <vector>

#include "data/tasks/task.h"
#include "data/tokenizer.h"
#include "models/causal_lm.h"
#include "trainer/evaluate/requests.h"
#include "trainer/evaluate/samples.h"

namespace tptt {

/// A hash of all that the tasks ask, shots and protocols included, and of what else `settings` says
/// of how: by it the samples of an evaluation are known again.
std::string evaluation_hash(const std::vector<Task>& tasks,
                            const std::vector<std::string>& settings = {});

/// Asks all questions of the tasks but those that the file (null: none) has, appends each to it as
/// soon as it is scored, and tells how far it is. `after_each` may throw to stop. Returns the
/// samples, the file's first, in any order. The longest prompts are asked first. Throws Error.
std::vector<Sample> evaluate_tasks(const CausalLM& model, const Tokenizer& tokenizer,
                                   const std::vector<Task>& tasks, const ScoringOptions& options,
                                   SamplesFile* file, const std::function<void()>& after_each = {});

}  // namespace tptt
