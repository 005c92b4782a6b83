#include "trainer/evaluate/training_benchmarks.h"

#include <cstdio>

#include "models/formats/atomic_file.h"
#include "trainer/evaluate/changes.h"
#include "trainer/evaluate/evaluate_tasks.h"
#include "trainer/evaluate/results.h"
#include "trainer/log.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

fs::path results_path(const fs::path& directory, int64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "step_%06lld.json", static_cast<long long>(step));
  return directory / name;
}

fs::path samples_path(const fs::path& directory, int64_t step) {
  return samples_beside(results_path(directory, step));
}

}  // namespace

std::vector<Task> benchmark_tasks(const EvaluationSection& evaluation) {
  if (!evaluation.before && !evaluation.after) return {};
  std::vector<TaskRequest> requests;
  for (const BenchmarkTask& task : evaluation.tasks)
    requests.push_back({.name = task.name,
                        .data = task.data,
                        .shots_data = task.shots,
                        .num_fewshot = task.num_fewshot,
                        .limit = task.limit,
                        .protocol = parse_protocol(task.protocol)});
  return load_tasks(requests);
}

void run_training_benchmarks(const CausalLM& model, const Tokenizer& tokenizer,
                             const std::vector<Task>& tasks, Branch branch,
                             const fs::path& directory, int64_t step,
                             const std::function<void()>& after_each) {
  const fs::path path = results_path(directory, step);
  if (tasks.empty() || fs::exists(path)) return;
  fs::create_directories(directory);
  log_info("benchmarks of the model after " + std::to_string(step) + " steps");
  SamplesFile file(samples_path(directory, step), "step " + std::to_string(step), true);
  const auto samples =
      evaluate_tasks(model, tokenizer, tasks, {.branch = branch}, &file, after_each);
  const Results results = summarize_all(tasks, samples);
  Json json = to_json(results, tasks, {{"step", step}});
  json["samples_file"] = samples_path(directory, step).filename().string();
  write_file_atomic(path.string(), json.dump(2) + "\n");
  std::fputs(results_text(results).c_str(), stderr);
}

Json benchmark_summary(const fs::path& directory, int64_t step) {
  Json summary;
  const bool before = fs::exists(results_path(directory, 0));
  const bool after = step > 0 && fs::exists(results_path(directory, step));
  const auto results_of = [&](int64_t s) {
    return read_json_file(results_path(directory, s))["results"];
  };
  if (before) summary["before"] = results_of(0);
  if (after) summary["after"] = results_of(step);
  if (!before || !after) return summary;
  summary["changes"] = Json::array();
  for (const ScoreChange& change : score_changes(read_samples(samples_path(directory, 0)),
                                                 read_samples(samples_path(directory, step))))
    summary["changes"].push_back(to_json(change));
  return summary;
}

}  // namespace tptt
