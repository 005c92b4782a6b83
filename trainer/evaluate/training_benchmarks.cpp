#include "trainer/evaluate/training_benchmarks.h"

#include <cstdio>
#include <optional>

#include "models/formats/atomic_file.h"
#include "trainer/evaluate/changes.h"
#include "trainer/evaluate/evaluate_tasks.h"
#include "trainer/evaluate/results.h"
#include "trainer/load_model.h"
#include "trainer/log.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

const std::string kMixed = "mixed";

fs::path results_path(const fs::path& directory, const Examinee& examinee) {
  char name[32];
  std::snprintf(name, sizeof name, "step_%06lld", static_cast<long long>(examinee.step));
  const bool whole = examinee.step == 0 || examinee.branch == kMixed;
  return directory / (name + (whole ? "" : "." + examinee.branch) + ".json");
}

fs::path samples_path(const fs::path& directory, const Examinee& examinee) {
  return samples_beside(results_path(directory, examinee));
}

Json changes(const fs::path& directory, const Examinee& first, const Examinee& second) {
  Json all = Json::array();
  for (const ScoreChange& change : score_changes(read_samples(samples_path(directory, first)),
                                                 read_samples(samples_path(directory, second))))
    all.push_back(to_json(change));
  return all;
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

fs::path benchmark_directory(const fs::path& all, const std::vector<Task>& tasks) {
  return all / evaluation_hash(tasks);
}

void run_training_benchmarks(const CausalLM& model, const Tokenizer& tokenizer,
                             const std::vector<Task>& tasks, const Examinee& examinee,
                             const fs::path& directory, const ProcessGroup& group,
                             const std::function<void()>& after_each) {
  const fs::path path = results_path(directory, examinee);
  if (group.decide(tasks.empty() || fs::exists(path))) return;
  const std::string name = "step " + std::to_string(examinee.step) +
                           (examinee.step > 0 ? ", branch " + examinee.branch : "");
  log_info("benchmarks of " + name);
  std::optional<SamplesFile> file;
  group.on_main([&] {
    fs::create_directories(directory);
    file.emplace(samples_path(directory, examinee), name, true);
  });
  const auto samples =
      evaluate_tasks(model, tokenizer, tasks, {.branch = parse_branch(examinee.branch)},
                     file ? &*file : nullptr, after_each, group);
  if (!group.is_main()) return;
  const Results results = summarize_all(tasks, samples);
  Json json = to_json(results, tasks, {{"step", examinee.step}, {"branch", examinee.branch}});
  json["samples_file"] = samples_path(directory, examinee).filename().string();
  write_file_atomic(path.string(), json.dump(2) + "\n");
  say(results_text(results));
}

Json benchmark_summary(const fs::path& directory, int64_t step,
                       const std::vector<std::string>& branches) {
  Json summary;
  const Examinee base, trained{step, kMixed};
  const auto is_there = [&](const Examinee& e) { return fs::exists(results_path(directory, e)); };
  const auto results_of = [&](const Examinee& e) {
    return read_json_object(results_path(directory, e))["results"];
  };
  if (is_there(base)) summary["before"] = results_of(base);
  if (step == 0 || !is_there(trained)) return summary;
  summary["after"] = results_of(trained);
  if (is_there(base)) summary["changes"] = changes(directory, base, trained);
  for (const std::string& name : branches) {
    const Examinee branch{step, name};
    if (name == kMixed || !is_there(branch)) continue;
    summary["branches"][name] = {{"after", results_of(branch)},
                                 {"changes", changes(directory, trained, branch)}};
  }
  return summary;
}

}  // namespace tptt
