#include "trainer/evaluate/results.h"

#include <algorithm>
#include <cmath>

#include "data/tasks/mmlu.h"
#include "trainer/evaluate/lighteval_scores.h"

namespace tptt {
namespace {

// lm-evaluation-harness' of its groups mmlu and mmlu_stem to mmlu_other.
constexpr double kMmluGroupVersion = 2;

std::string group_of(const std::string& task) {
  for (const MmluSubject& subject : mmlu_subjects())
    if (task == mmlu_task(subject.name)) return mmlu_task(subject.group);
  return "";
}

// Of MMLU's subjects, where all of a category are there, asked by one protocol; all 57 are MMLU.
void add_groups(Results& results, const std::map<std::string, Protocol>& protocols) {
  std::map<std::string, std::vector<TaskResult>> members;
  std::map<std::string, size_t> sizes;
  for (const MmluSubject& subject : mmlu_subjects()) {
    ++sizes[mmlu_task(subject.group)];
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

Json higher_is_better(const TaskResult& task) {
  Json json = Json::object();
  for (const Metric& metric : task.metrics)
    json[metric.key.substr(0, metric.key.find(','))] = metric.key != kPerplexity;
  return json;
}

// Of all of MMLU its four groups, as the harness nests them.
Json subtasks_of(const Results& results) {
  Json json = results.subtasks;
  if (!json.contains(kMmlu)) return json;
  json[kMmlu] = Json::array();
  for (const TaskResult& group : results.groups)
    if (group.name != kMmlu) json[kMmlu].push_back(group.name);
  return json;
}

const Task& task_named(const std::string& name, const std::vector<Task>& tasks) {
  return *std::find_if(tasks.begin(), tasks.end(),
                       [&](const Task& task) { return task.name == name; });
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
  std::map<std::string, Protocol> protocols;
  SamplesByTask by_lighteval;
  for (const Task& task : tasks) {
    const auto& own = by_task[task.name];
    results.tasks.push_back(summarize(task.name, own, int64_t(task.docs.size())));
    protocols[task.name] = task.protocol;
    if (task.protocol == Protocol::lighteval && !own.empty()) by_lighteval.push_back(own);
  }
  add_groups(results, protocols);
  if (by_lighteval.empty()) return results;
  for (TaskResult& task : results.tasks) add_corrected(task, {by_task[task.name]});
  for (TaskResult& group : results.groups) {
    SamplesByTask members;
    for (const std::string& name : results.subtasks[group.name]) members.push_back(by_task[name]);
    add_corrected(group, members);
  }
  results.floors = lighteval_floors(by_lighteval);
  return results;
}

Json to_json(const Results& results, const std::vector<Task>& tasks, Json config) {
  Json json = {{"results", Json::object()},
               {"versions", Json::object()},
               {"group_subtasks", subtasks_of(results)},
               {"config", std::move(config)}};
  for (const TaskResult& group : results.groups) {
    json["results"][group.name] = json["groups"][group.name] = to_json(group);
    json["higher_is_better"][group.name] = higher_is_better(group);
    const Task& first = task_named(results.subtasks.at(group.name)[0], tasks);
    json["n-shot"][group.name] = first.num_fewshot;
    if (first.protocol == Protocol::lm_eval) json["versions"][group.name] = kMmluGroupVersion;
  }
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
    // Of other protocols the harness knows nothing.
    if (tasks[i].protocol == Protocol::lm_eval)
      json["versions"][result.name] = tasks[i].kind->version;
    json["higher_is_better"][result.name] = higher_is_better(result);
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
