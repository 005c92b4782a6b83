#pragma once

#include <functional>
#include <vector>

#include "data/tasks/task.h"
#include "data/tokenizer.h"
#include "models/causal_lm.h"
#include "trainer/evaluate/requests.h"
#include "trainer/evaluate/samples.h"
#include "trainer/process_group.h"

namespace tptt {

/// A hash of all that the tasks ask, shots and protocols included, and of what else `settings` says
/// of how: by it the samples of an evaluation are known again.
std::string evaluation_hash(const std::vector<Task>& tasks,
                            const std::vector<std::string>& settings = {});

/// Asks all questions of the tasks but those that the file (null: none) has, appends each to it as
/// soon as it is scored, and tells how far it is. `after_each` may throw to stop. Returns the
/// samples, the file's first, in any order. The longest prompts are asked first. The processes of a
/// group share each task's questions; the file is process 0's, which has the samples of the others
/// after each task. Throws Error.
std::vector<Sample> evaluate_tasks(const CausalLM& model, const Tokenizer& tokenizer,
                                   const std::vector<Task>& tasks, const ScoringOptions& options,
                                   SamplesFile* file, const std::function<void()>& after_each = {},
                                   const ProcessGroup& group = {});

}  // namespace tptt
