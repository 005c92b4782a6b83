#include "trainer/evaluate/lighteval_scores.h"

#include <cmath>

namespace tptt {
namespace {

const std::string kPqem = "pqem,none";

double is_a(const Sample& sample) {
  return sample.target == 0;
}

// Of independent tasks; no error where one of them has none.
Metric mean_of(const std::string& key, const std::vector<Metric>& tasks) {
  const double k = double(tasks.size());
  Metric mean{key, 0, {}};
  double variance = 0;
  for (const Metric& task : tasks) {
    mean.value += task.value / k;
    variance += std::pow(task.standard_error.value_or(NAN) / k, 2);
  }
  if (!std::isnan(variance)) mean.standard_error = std::sqrt(variance);
  return mean;
}

SamplesByTask answered(SamplesByTask tasks, char letter) {
  for (auto& samples : tasks)
    for (Sample& sample : samples)
      sample.scores =
          lighteval_scores(std::string(1, char('A' + sample.target)), std::string(" ") + letter);
  return tasks;
}

TaskResult constant_answer(const SamplesByTask& tasks, char letter) {
  const SamplesByTask all = answered(tasks, letter);
  std::vector<TaskResult> results;
  for (const auto& samples : all)
    results.push_back(summarize("", samples, int64_t(samples.size())));
  TaskResult floor = unweighted(pooled(std::string("always ") + letter, results), results);
  add_corrected(floor, all);
  return floor;
}

}  // namespace

TaskResult unweighted(TaskResult group, const std::vector<TaskResult>& tasks) {
  for (Metric& metric : group.metrics) {
    std::vector<Metric> own;
    for (const TaskResult& task : tasks) own.push_back(*find_metric(task, metric.key));
    metric = mean_of(metric.key, own);
  }
  return group;
}

void add_corrected(TaskResult& result, const SamplesByTask& tasks) {
  if (!find_metric(result, kPqem)) return;
  bool all_are_a = true;
  double share = 0;
  for (const auto& samples : tasks)
    for (const Sample& sample : samples) {
      all_are_a &= sample.target == 0;
      share += is_a(sample) / double(samples.size()) / double(tasks.size());
    }
  if (all_are_a) return;
  const double corrected = (find_metric(result, kPqem)->value - share) / (1 - share);
  std::vector<Metric> parts;  // p's own part in the error to first order
  for (const auto& samples : tasks) {
    std::vector<double> values;
    for (const Sample& sample : samples)
      values.push_back((sample.scores.at(kPqem) - (1 - corrected) * is_a(sample)) / (1 - share));
    parts.push_back(mean_of("", values));
  }
  result.metrics.push_back({"pqem_corrected,none", corrected, mean_of("", parts).standard_error});
}

std::vector<TaskResult> lighteval_floors(const SamplesByTask& tasks) {
  std::vector<TaskResult> floors;
  for (const char letter : {'A', 'B', 'C', 'D'}) floors.push_back(constant_answer(tasks, letter));
  TaskResult random = unweighted(floors[0], floors);
  random.name = "random letters";
  floors.push_back(random);
  for (TaskResult& floor : floors)
    for (Metric& metric : floor.metrics) metric.standard_error = {};
  return floors;
}

}  // namespace tptt
