#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "data/tasks/task.h"
#include "data/tokenizer.h"
#include "models/causal_lm.h"
#include "models/formats/json.h"
#include "trainer/config.h"

namespace tptt {

/// The tasks of `evaluation:` with their questions. Throws Error.
std::vector<Task> benchmark_tasks(const EvaluationSection& evaluation);

/// Asks them of the model after `step` steps and leaves step_000140.json and its samples in
/// `directory`; what an earlier process has scored stays. `after_each` may throw to stop. Throws
/// Error.
void run_training_benchmarks(const CausalLM& model, const Tokenizer& tokenizer,
                             const std::vector<Task>& tasks, Branch branch,
                             const std::filesystem::path& directory, int64_t step,
                             const std::function<void()>& after_each);

/// {"before": results, "after": results, "changes": [..]} of step 0 and of `step`, as far as they
/// are there; null without either. Throws Error.
Json benchmark_summary(const std::filesystem::path& directory, int64_t step);

}  // namespace tptt
