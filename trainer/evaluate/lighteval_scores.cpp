#include "trainer/evaluate/lighteval_scores.h"

#include <cmath>

namespace tptt {
namespace {

const std::string kPqem = "pqem,none";

double is_a(const Sample& sample) {
  return sample.target == 0;
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
    double sum = 0, variance = 0;
    for (const TaskResult& task : tasks) {
      const Metric& own = *find_metric(task, metric.key);
      sum += own.value;
      variance += std::pow(own.standard_error.value_or(0), 2);
    }
    metric.value = sum / double(tasks.size());
    metric.standard_error = std::sqrt(variance) / double(tasks.size());
  }
  return group;
}

void add_corrected(TaskResult& result, const SamplesByTask& tasks) {
  if (!find_metric(result, kPqem)) return;
  const double k = double(tasks.size());
  double share = 0;
  for (const auto& samples : tasks)
    for (const Sample& sample : samples) share += is_a(sample) / double(samples.size()) / k;
  if (share == 1) return;
  const double corrected = (find_metric(result, kPqem)->value - share) / (1 - share);
  double variance = 0;  // of the mean of what follows: p's own part to first order
  for (const auto& samples : tasks) {
    std::vector<double> parts;
    for (const Sample& sample : samples)
      parts.push_back(sample.scores.at(kPqem) - (1 - corrected) * is_a(sample));
    variance += std::pow(mean_of("", parts).standard_error.value_or(0) / k, 2);
  }
  result.metrics.push_back({"pqem_corrected,none", corrected, std::sqrt(variance) / (1 - share)});
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
