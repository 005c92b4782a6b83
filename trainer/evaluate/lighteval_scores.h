#pragma once

#include <vector>

#include "trainer/evaluate/task_scores.h"

namespace tptt {

/// Samples of tasks, task by task.
using SamplesByTask = std::vector<std::vector<Sample>>;

/// lighteval's average of a group: every task counts the same.
TaskResult unweighted(TaskResult group, const std::vector<TaskResult>& tasks);

/// Adds pqem_corrected, (pqem - p) / (1 - p), to a task's or group's scores: p is the share of
/// questions whose answer is A, which every text gets, since the article is normalised away. Its
/// standard error counts p as drawn with the questions. Nothing is added where all answers are A.
void add_corrected(TaskResult& result, const SamplesByTask& tasks);

/// What the same letter as every answer would have got, and letters drawn evenly: means over the
/// tasks.
std::vector<TaskResult> lighteval_floors(const SamplesByTask& tasks);

}  // namespace tptt
