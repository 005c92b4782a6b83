#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/tasks/task.h"
#include "trainer/evaluate/requests.h"
#include "trainer/evaluate/samples.h"

namespace tptt {

/// Prediction, target and scores of a question from its choices' likelihoods, as
/// lm-evaluation-harness defines acc and acc_norm (by the choice's characters), or from what the
/// model wrote.
void score_choices(const Task& task, const Doc& doc, const Likelihoods& choices, Sample& sample);
void score_response(const Task& task, const Doc& doc, const std::string& response, Sample& sample);

/// lighteval's four scores of what was written for an answer that is a letter.
std::map<std::string, double> lighteval_scores(const std::string& letter,
                                               const std::string& written);

/// The score whose samples are log-likelihoods.
inline const std::string kPerplexity = "perplexity,none";

/// Mean of one score over a task's samples.
struct Metric {
  std::string key;  // "acc,none": name and filter, as lm-evaluation-harness has them
  double value = 0;
  std::optional<double> standard_error = {};  // sd (n - 1) / sqrt(n); none of one sample
};

struct TaskResult {
  std::string name;
  std::vector<Metric> metrics;
  int64_t num_docs = 0, num_scored = 0, num_truncated = 0;
};

/// The task's score of that key; null where it has none.
const Metric* find_metric(const TaskResult& task, const std::string& key);

/// Of values by sample. Perplexity is e^-mean, its error by the delta method.
Metric mean_of(const std::string& key, const std::vector<double>& values);

/// A task's samples together.
TaskResult summarize(const std::string& name, const std::vector<Sample>& samples, int64_t num_docs);

/// The means over all questions of several tasks and their pooled standard errors, as the harness
/// weights groups by size, of the scores that all of them have.
TaskResult pooled(const std::string& name, const std::vector<TaskResult>& tasks);

}  // namespace tptt
