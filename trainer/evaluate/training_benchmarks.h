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

/// The base model before training, or a branch of the trained one.
struct Examinee {
  int64_t step = 0;
  std::string branch = "softmax";
};

/// Asks them of the model and leaves step_000140.json (of a branch that is not mixed
/// step_000140.linear.json) and its samples in `directory`/HASH, which is that of the tasks: what
/// an earlier process has scored of them stays, as do the results of other tasks. `after_each` may
/// throw to stop. Throws Error.
void run_training_benchmarks(const CausalLM& model, const Tokenizer& tokenizer,
                             const std::vector<Task>& tasks, const Examinee& examinee,
                             const std::filesystem::path& directory,
                             const std::function<void()>& after_each);

/// {"before": results, "after": results, "changes": [..]} of step 0 and of `step`, as far as they
/// are there, and {"branches": {"linear": {"after": results, "changes": [..]}}} of the branches,
/// whose changes are those from mixed; null without any. Throws Error.
Json benchmark_summary(const std::vector<Task>& tasks, const std::filesystem::path& directory,
                       int64_t step, const std::vector<std::string>& branches);

}  // namespace tptt
