#include "trainer/evaluate/benchmarks.h"

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "data/sha256.h"
#include "data/tasks/task.h"
#include "models/formats/atomic_file.h"
#include "models/formats/error.h"
#include "trainer/evaluate/evaluate_tasks.h"
#include "trainer/evaluate/results.h"
#include "trainer/load_model.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

// "NAME=PATH" for one task or PATH for all.
std::string data_of(const EvalFlags& flags, const std::string& task) {
  std::string for_all;
  for (const std::string& data : flags.data) {
    if (data.starts_with(task + "=")) return data.substr(task.size() + 1);
    if (fs::exists(data)) for_all = data;
  }
  if (!for_all.empty()) return for_all;
  throw UsageError("--data: nothing for " + task + "; give a file or directory, or " + task +
                   "=PATH");
}

std::vector<Task> tasks_of(const EvalFlags& flags) {
  std::vector<TaskRequest> requests;
  for (const std::string& name : flags.tasks) {
    if (is_own_task(name)) throw UsageError("--task " + name + " stands alone");
    find_task_kind(name);  // before what its data is
    requests.push_back({.name = name,
                        .data = data_of(flags, name),
                        .shots_data = flags.shots_data,
                        .num_fewshot = flags.num_fewshot,
                        .limit = flags.limit,
                        .protocol = parse_protocol(flags.protocol)});
  }
  return load_tasks(requests);
}

// What the scores of a samples file belong to, for --resume.
std::string run_name(const CommonFlags& common, const EvalFlags& flags,
                     const std::vector<Task>& tasks) {
  Sha256 hash;
  for (const std::string& text : {common.model, common.adapter, common.dtype, common.quantization,
                                  common.branch, flags.protocol})
    hash.update_sized(text);
  for (const Task& task : tasks) {
    hash.update_sized(task.name);
    hash.update_sized(std::to_string(task.num_fewshot));
  }
  return to_hex(hash.finish()).substr(0, 16);
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
  const LoadedModel loaded = load_model(common, true);
  const auto start = std::chrono::steady_clock::now();
  std::optional<SamplesFile> file;
  if (!flags.log_samples.empty() || !flags.output.empty()) {
    file.emplace(samples_path(flags), run_name(common, flags, tasks), flags.resume);
  }
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
  if (file) json["samples_file"] = samples_path(flags).filename().string();
  if (!flags.output.empty()) write_file_atomic(flags.output, json.dump(2) + "\n");
  std::cout << (flags.json ? json.dump() + "\n" : results_text(results));
}

}  // namespace tptt
