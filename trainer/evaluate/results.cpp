#include "trainer/evaluate/results.h"

#include <algorithm>
#include <cmath>

#include "data/tasks/mmlu.h"

namespace tptt {
namespace {

const std::string kMmlu = "mmlu";

std::string group_of(const std::string& task) {
  for (const MmluSubject& subject : mmlu_subjects())
    if (task == kMmlu + "_" + subject.name) return kMmlu + "_" + subject.group;
  return "";
}

// lighteval's average: every subject counts the same.
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

// Of MMLU's subjects, where all of a category are there, asked by one protocol; all 57 are MMLU.
void add_groups(Results& results, const std::map<std::string, Protocol>& protocols) {
  std::map<std::string, std::vector<TaskResult>> members;
  std::map<std::string, size_t> sizes;
  for (const MmluSubject& subject : mmlu_subjects()) {
    ++sizes[kMmlu + "_" + subject.group];
    ++sizes[kMmlu];
  }
  for (const TaskResult& task : results.tasks) {
    const std::string group = group_of(task.name);
    if (group.empty() || task.metrics.empty()) continue;
    members[group].push_back(task);
    members[kMmlu].push_back(task);
  }
  for (const auto& [name, tasks] : members) {
    const Protocol protocol = protocols.at(tasks[0].name);
    const auto alike = [&](const TaskResult& task) { return protocols.at(task.name) == protocol; };
    if (tasks.size() != sizes[name] || !std::all_of(tasks.begin(), tasks.end(), alike)) continue;
    const TaskResult group = pooled(name, tasks);
    results.groups.push_back(protocol == Protocol::lighteval ? unweighted(group, tasks) : group);
    for (const TaskResult& task : tasks) results.subtasks[name].push_back(task.name);
  }
}

// What `letter` as every answer would have got.
TaskResult constant_answer(char letter, const std::vector<Sample>& samples) {
  std::vector<Sample> all = samples;
  for (Sample& sample : all) {
    const std::string answer(1, char('A' + sample.target));
    sample.scores = lighteval_scores(answer, std::string(" ") + letter);
  }
  return summarize(std::string("always ") + letter, all, int64_t(all.size()));
}

// Letters drawn evenly get the mean of the four.
std::vector<TaskResult> floors_of(const std::vector<Sample>& samples) {
  std::vector<TaskResult> floors;
  for (const char letter : {'A', 'B', 'C', 'D'}) floors.push_back(constant_answer(letter, samples));
  TaskResult random = unweighted(floors[0], floors);
  random.name = "random letters";
  floors.push_back(random);
  for (TaskResult& floor : floors)
    for (Metric& metric : floor.metrics) metric.standard_error = {};
  return floors;
}

// pqem without the share of questions whose answer is A, which every text gets: the article is
// normalised away.
void add_corrected(TaskResult& result, double share) {
  const Metric* pqem = find_metric(result, "pqem,none");
  if (!pqem || share == 1) return;
  Metric corrected{"pqem_corrected,none", (pqem->value - share) / (1 - share), {}};
  if (pqem->standard_error) corrected.standard_error = *pqem->standard_error / (1 - share);
  result.metrics.push_back(corrected);
}

double share_of_a(const std::vector<Sample>& samples) {
  double share = 0;
  for (const Sample& sample : samples) share += (sample.target == 0) / double(samples.size());
  return share;
}

// Of tasks and groups, whose share is the mean of their subjects', as their pqem is.
void add_all_corrected(Results& results, const std::map<std::string, double>& shares) {
  for (TaskResult& task : results.tasks)
    if (shares.contains(task.name)) add_corrected(task, shares.at(task.name));
  for (TaskResult& group : results.groups) {
    const auto& subjects = results.subtasks.at(group.name);
    double sum = 0;
    for (const std::string& name : subjects)
      if (shares.contains(name)) sum += shares.at(name);
    add_corrected(group, sum / double(subjects.size()));
  }
}

Json to_json(const TaskResult& task) {
  Json json = {{"alias", task.name}, {"name", task.name}, {"sample_len", task.num_scored}};
  for (const Metric& metric : task.metrics) {
    const size_t comma = metric.key.find(',');
    const std::string error = metric.key.substr(0, comma) + "_stderr" + metric.key.substr(comma);
    json[metric.key] = metric.value;
    json[error] = metric.standard_error ? Json(*metric.standard_error) : Json("N/A");
  }
  return json;
}

std::string padded(std::string text, size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

std::string line_of(const TaskResult& task, const Metric& metric, size_t width) {
  char numbers[64];
  std::snprintf(numbers, sizeof numbers, "%10.4f", metric.value);
  std::string line = padded(task.name, width) + "  " + padded(metric.key, 24) + numbers;
  if (metric.standard_error) {
    std::snprintf(numbers, sizeof numbers, " +- %.4f", *metric.standard_error);
    line += numbers;
  }
  return line + "  of " + std::to_string(task.num_scored) + "\n";
}

}  // namespace

Results summarize_all(const std::vector<Task>& tasks, const std::vector<Sample>& samples) {
  std::map<std::string, std::vector<Sample>> by_task;
  for (const Sample& sample : samples) by_task[sample.task].push_back(sample);
  Results results;
  std::vector<Sample> by_lighteval;
  std::map<std::string, Protocol> protocols;
  std::map<std::string, double> shares;  // of A, under lighteval's protocol
  for (const Task& task : tasks) {
    const auto& own = by_task[task.name];
    results.tasks.push_back(summarize(task.name, own, int64_t(task.docs.size())));
    protocols[task.name] = task.protocol;
    if (task.protocol != Protocol::lighteval) continue;
    shares[task.name] = share_of_a(own);
    by_lighteval.insert(by_lighteval.end(), own.begin(), own.end());
  }
  add_groups(results, protocols);
  add_all_corrected(results, shares);
  if (!by_lighteval.empty()) results.floors = floors_of(by_lighteval);
  return results;
}

Json to_json(const Results& results, const std::vector<Task>& tasks, Json config) {
  Json json = {{"results", Json::object()},
               {"group_subtasks", results.subtasks},
               {"config", std::move(config)}};
  for (const TaskResult& group : results.groups)
    json["results"][group.name] = json["groups"][group.name] = to_json(group);
  for (const TaskResult& floor : results.floors) json["floors"][floor.name] = to_json(floor);
  for (size_t i = 0; i < tasks.size(); ++i) {
    const TaskResult& result = results.tasks[i];
    json["results"][result.name] = to_json(result);
    json["n-shot"][result.name] = tasks[i].num_fewshot;
    json["n-samples"][result.name] = {{"original", result.num_docs},
                                      {"effective", result.num_scored},
                                      {"truncated", result.num_truncated}};
    json["configs"][result.name] = {{"task", result.name},
                                    {"num_fewshot", tasks[i].num_fewshot},
                                    {"description", tasks[i].description},
                                    {"protocol", protocol_names()[size_t(tasks[i].protocol)]}};
    for (const Metric& metric : result.metrics) {
      const std::string name = metric.key.substr(0, metric.key.find(','));
      json["higher_is_better"][result.name][name] = name != "perplexity";
    }
  }
  return json;
}

std::string results_text(const Results& results) {
  std::string text;
  size_t width = 0;
  int64_t truncated = 0;
  std::vector<TaskResult> all = results.groups;
  all.insert(all.end(), results.tasks.begin(), results.tasks.end());
  all.insert(all.end(), results.floors.begin(), results.floors.end());
  for (const TaskResult& task : all) width = std::max(width, task.name.size());
  for (const TaskResult& task : all)
    for (const Metric& metric : task.metrics) text += line_of(task, metric, width);
  for (const TaskResult& task : results.tasks) truncated += task.num_truncated;
  if (truncated > 0)
    text += std::to_string(truncated) +
            " prompts were longer than the model reads and lost their beginning or shots\n";
  return text;
}

}  // namespace tptt
