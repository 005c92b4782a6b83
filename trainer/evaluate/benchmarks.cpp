#include "trainer/evaluate/benchmarks.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <set>

#include "data/tasks/task.h"
#include "data/tasks/task_rows.h"
#include "models/formats/atomic_file.h"
#include "models/formats/error.h"
#include "trainer/evaluate/evaluate_tasks.h"
#include "trainer/evaluate/results.h"
#include "trainer/file_sum.h"
#include "trainer/load_model.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

// By task; "" for those that are not named.
using DataPaths = std::map<std::string, std::string>;

// "NAME=PATH" for one task or PATH for all others.
DataPaths parse_data(const EvalFlags& flags) {
  DataPaths paths;
  for (const std::string& data : flags.data) {
    const size_t sign = data.find('=');
    const bool named = sign != std::string::npos && !fs::exists(data);
    const std::string task = named ? data.substr(0, sign) : "";
    const std::string path = named ? data.substr(sign + 1) : data;
    const auto& tasks = flags.tasks;
    if (named && std::find(tasks.begin(), tasks.end(), task) == tasks.end())
      throw UsageError("--data " + data + ": " + task + " is not asked; --task has " +
                       one_of(tasks));
    if (!fs::exists(path)) throw Error(path + ": no such file or directory (--data)");
    if (!paths.try_emplace(task, path).second)
      throw UsageError("--data " + data + ": the second for " +
                       (named ? task : "all tasks; write TASK=PATH for one of them"));
  }
  return paths;
}

std::string data_of(const DataPaths& paths, const std::string& task) {
  for (const std::string& name : {task, std::string()})
    if (const auto found = paths.find(name); found != paths.end()) return found->second;
  throw UsageError("--data: nothing for " + task + "; give a file or directory, or " + task +
                   "=PATH");
}

std::vector<Task> tasks_of(const EvalFlags& flags) {
  const DataPaths paths = parse_data(flags);
  std::vector<TaskRequest> requests;
  for (const std::string& name : flags.tasks) {
    if (is_own_task(name)) throw UsageError("--task " + name + " stands alone");
    find_task_kind(name);  // before what its data is
    requests.push_back({.name = name,
                        .data = data_of(paths, name),
                        .shots_data = flags.shots_data,
                        .num_fewshot = flags.num_fewshot,
                        .limit = flags.limit,
                        .protocol = parse_protocol(flags.protocol)});
  }
  return load_tasks(requests);
}

// What the scores of a samples file belong to, for --resume.
std::string run_name(const CommonFlags& common, const std::vector<Task>& tasks) {
  std::vector<std::string> settings{common.model, common.dtype, common.quantization, common.branch};
  std::set<std::string> adapter;  // as it is: one of the same name may be trained anew
  if (fs::is_directory(common.adapter))
    for (const auto& entry : fs::directory_iterator(common.adapter))
      if (entry.is_regular_file())
        adapter.insert(entry.path().filename().string() + to_hex(sum_file(entry.path()).fnv1a64));
  settings.insert(settings.end(), adapter.begin(), adapter.end());
  return evaluation_hash(tasks, settings);
}

fs::path samples_path(const EvalFlags& flags) {
  if (!flags.log_samples.empty()) return flags.log_samples;
  return samples_beside(flags.output);
}

}  // namespace

void run_benchmarks(const CommonFlags& common, const EvalFlags& flags) {
  const std::vector<Task> tasks = tasks_of(flags);
  if (!flags.output.empty() && fs::exists(flags.output) && !flags.resume)
    throw Error(flags.output +
                ": exists already; give --output another name, or go on with "
                "--resume");
  std::optional<SamplesFile> file;
  if (!flags.log_samples.empty() || !flags.output.empty())
    file.emplace(samples_path(flags), run_name(common, tasks), flags.resume);
  const LoadedModel loaded = load_model(common, true);
  const auto start = std::chrono::steady_clock::now();
  ScoringOptions options;
  options.branch = parse_branch(common.branch);
  const std::vector<Sample> samples =
      evaluate_tasks(*loaded.model, *loaded.tokenizer, tasks, options, file ? &*file : nullptr);
  const Results results = summarize_all(tasks, samples);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  Json config = {{"model", common.model},
                 {"adapter", common.adapter},
                 {"branch", common.branch},
                 {"dtype", common.dtype},
                 {"protocol", flags.protocol},
                 {"limit", flags.limit},
                 {"quantization", common.quantization}};
  Json json = to_json(results, tasks, std::move(config));
  json["total_evaluation_time_seconds"] = std::to_string(seconds.count());
  if (file && !flags.output.empty()) {
    const fs::path folder = fs::absolute(flags.output).parent_path();
    json["samples_file"] = fs::proximate(fs::absolute(samples_path(flags)), folder).string();
  }
  std::cout << (flags.json ? json.dump() + "\n" : results_text(results)) << std::flush;
  if (!flags.output.empty()) write_file_atomic(flags.output, json.dump(2) + "\n");
}

}  // namespace tptt
