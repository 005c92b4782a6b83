#pragma once

#include <map>
#include <string>
#include <vector>

#include "data/tasks/task.h"
#include "models/formats/json.h"
#include "trainer/evaluate/task_scores.h"

namespace tptt {

/// What an evaluation gave.
struct Results {
  std::vector<TaskResult> tasks;                             // in the order they were asked
  std::vector<TaskResult> groups;                            // of MMLU: all and by category
  std::map<std::string, std::vector<std::string>> subtasks;  // of a group
  std::vector<TaskResult> floors;  // of lighteval's protocol: what letters without a model get
};

/// Tasks by name and their samples, brought together.
Results summarize_all(const std::vector<Task>& tasks, const std::vector<Sample>& samples);

/// In the layout of lm-evaluation-harness' results files; `config` says with what it was made.
Json to_json(const Results& results, const std::vector<Task>& tasks, Json config);

/// Lines for a terminal: a group before its tasks, each metric with its standard error, and what
/// was truncated.
std::string results_text(const Results& results);

}  // namespace tptt
