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
#include "models/formats/model_files.h"
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

void check_name(const std::string& name) {
  if (is_own_task(name)) throw UsageError("--task " + name + " stands alone");
  try {
    find_task_kind(name);
  } catch (const UsageError& error) {
    throw UsageError(std::string(error.what()) + "; or alone: sample, perplexity");
  }
}

std::vector<Task> tasks_of(const EvalFlags& flags) {
  const DataPaths paths = parse_data(flags);
  std::vector<TaskRequest> requests;
  for (const std::string& name : flags.tasks)
    requests.push_back({.name = name,
                        .data = data_of(paths, name),
                        .shots_data = flags.shots_data,
                        .num_fewshot = flags.num_fewshot,
                        .limit = flags.limit,
                        .protocol = parse_protocol(flags.protocol)});
  return load_tasks(requests);
}

// Results may lie beside these.
bool is_of_adapter(const fs::directory_entry& file) {
  const std::string name = file.path().filename().string();
  return file.is_regular_file() && (name == "config.json" || name.ends_with("_config.json") ||
                                    name.ends_with(".safetensors"));
}

// What the scores of a samples file belong to, for --resume.
std::string run_name(const CommonFlags& common, const std::vector<Task>& tasks) {
  std::vector<std::string> settings{common.model, common.dtype, common.device, common.quantization,
                                    common.branch};
  std::set<fs::path> files;  // as they are: those of the same name may be made anew
  for (const std::string& path : model_file_paths(find_model(common.model))) files.insert(path);
  if (fs::is_directory(common.adapter))
    for (const auto& entry : fs::directory_iterator(common.adapter))
      if (is_of_adapter(entry)) files.insert(entry.path());
  for (const fs::path& path : files)
    settings.push_back(path.filename().string() + to_hex(sum_file(path).fnv1a64));
  return evaluation_hash(tasks, settings);
}

fs::path samples_path(const EvalFlags& flags) {
  if (!flags.log_samples.empty()) return flags.log_samples;
  return samples_beside(flags.output);
}

// Flags that would do nothing, and what would fail at the end.
void check(const EvalFlags& flags) {
  const auto refuse = [](bool is_given, const std::string& flag, const std::string& tasks) {
    if (is_given) throw UsageError(flag + " is for --task " + tasks + ", not for benchmarks");
  };
  refuse(flags.stride.has_value(), "--stride", "perplexity");
  refuse(flags.max_length.has_value(), "--max-length", "sample and perplexity");
  refuse(flags.chat_template.has_value(), "--chat-template", "sample and perplexity");
  refuse(flags.batch_size.has_value(), "--batch-size", "sample");
  check_output("--output", flags.output);
  check_output("--log-samples", flags.log_samples);
  if (flags.resume && flags.output.empty() && flags.log_samples.empty())
    throw UsageError("--resume goes on with a file: name it by --output or --log-samples");
  if (!flags.output.empty() &&
      fs::weakly_canonical(flags.output) == fs::weakly_canonical(samples_path(flags)))
    throw UsageError("--log-samples: is --output itself; name another file");
  if (!flags.output.empty() && fs::exists(flags.output) && !flags.resume)
    throw Error(flags.output +
                ": exists already; give --output another name, or go on with "
                "--resume");
}

}  // namespace

void check_output(const std::string& flag, const fs::path& path) {
  if (path.empty()) return;
  if (fs::is_directory(path))
    throw UsageError(flag + " " + path.string() + ": is a directory; name a file");
  if (!fs::is_directory(fs::absolute(path).parent_path()))
    throw UsageError(flag + " " + path.string() + ": its directory is not there; make it first");
}

void run_benchmarks(const CommonFlags& common, const EvalFlags& flags) {
  for (const std::string& name : flags.tasks) check_name(name);
  check(flags);
  const std::vector<Task> tasks = tasks_of(flags);
  std::optional<SamplesFile> file;
  if (!flags.log_samples.empty() || !flags.output.empty())
    file.emplace(samples_path(flags), run_name(common, tasks), flags.resume);
  const LoadedModel loaded = load_model(common, true);
  const auto start = std::chrono::steady_clock::now();
  if (file) file->start_clock();
  ScoringOptions options;
  options.branch = parse_branch(common.branch);
  const std::vector<Sample> samples =
      evaluate_tasks(*loaded.model, *loaded.tokenizer, tasks, options, file ? &*file : nullptr);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const Results results = summarize_all(tasks, samples);
  Json config = {{"model", common.model},
                 {"adapter", common.adapter},
                 {"branch", common.branch},
                 {"dtype", common.dtype},
                 {"protocol", flags.protocol},
                 {"limit", flags.limit},
                 {"quantization", common.quantization}};
  Json json = to_json(results, tasks, std::move(config));
  json["total_evaluation_time_seconds"] = std::to_string(file ? file->seconds() : seconds.count());
  if (file && !flags.output.empty()) {
    const fs::path folder = fs::absolute(flags.output).parent_path();
    json["samples_file"] = fs::proximate(fs::absolute(samples_path(flags)), folder).string();
  }
  std::cout << (flags.json ? json.dump() + "\n" : results_text(results)) << std::flush;
  if (!flags.output.empty()) write_file_atomic(flags.output, json.dump(2) + "\n");
}

}  // namespace tptt
