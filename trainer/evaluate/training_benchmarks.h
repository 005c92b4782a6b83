#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "data/tasks/task.h"
#include "data/tokenizer.h"
#include "models/causal_lm.h"
#include "models/formats/json.h"
#include "trainer/config.h"
#include "trainer/process_group.h"

namespace tptt {

/// The tasks of `evaluation:` with their questions. Throws Error.
std::vector<Task> benchmark_tasks(const EvaluationSection& evaluation);

/// Where the results of these tasks lie: in a folder of `all` that is theirs, so that those of
/// others stay.
std::filesystem::path benchmark_directory(const std::filesystem::path& all,
                                          const std::vector<Task>& tasks);

/// The base model before training, or a branch of the trained one.
struct Examinee {
  int64_t step = 0;
  std::string branch = "softmax";
};

/// Asks them of the model and leaves step_000140.json (of a branch that is not mixed
/// step_000140.linear.json) and its samples in `directory`; what an earlier process has scored
/// stays. `after_each` may throw to stop. A group's processes share the questions, process 0
/// writes. Throws Error.
void run_training_benchmarks(const CausalLM& model, const Tokenizer& tokenizer,
                             const std::vector<Task>& tasks, const Examinee& examinee,
                             const std::filesystem::path& directory, const ProcessGroup& group,
                             const std::function<void()>& after_each);

/// {"before": results, "after": results, "changes": [..]} of step 0 and of `step`, as far as they
/// are there, and {"branches": {"linear": {"after": results, "changes": [..]}}} of the branches,
/// whose changes are those from mixed; null without any. Throws Error.
Json benchmark_summary(const std::filesystem::path& directory, int64_t step,
                       const std::vector<std::string>& branches);

}  // namespace tptt
