#include "trainer/run_json.h"

#include "models/formats/atomic_file.h"
#include "models/formats/error.h"
#include "models/formats/json.h"
#include "trainer/file_sum.h"

namespace tptt {
namespace {

Json sums_of_files(const TrainingSetup& s) {
  std::vector<std::string> paths = model_file_paths(s.files);
  for (const auto* files : {&s.config.data.train, &s.config.data.eval})
    for (const DataFile& file : *files) paths.push_back(file.path);
  Json sums = Json::object();
  for (const std::string& path : paths) {
    const FileSum sum = sum_file(path);
    sums[path] = {{"size", sum.size}, {"fnv1a64", to_hex(sum.fnv1a64)}};
  }
  return sums;
}

// The first file whose sum is another in `then`; empty: none.
std::string first_change(const Json& then, const Json& now) {
  for (const auto& [path, sum] : now.items())
    if (then.contains(path) && then[path] != sum) return path;
  return "";
}

void refuse_other_files(const RunDir& dir, const Json& sums) {
  const std::string path = dir.run_json().string();
  if (!dir.resume_from || !std::filesystem::exists(path)) return;
  const Json run = read_json_file(path);
  const std::string changed = run.contains("files") ? first_change(run["files"], sums) : "";
  if (!changed.empty())
    throw UsageError(changed + ": is not the file that the run in " + dir.root.string() +
                     " began with: put that back, or name another training.output_dir");
}

}  // namespace

Json check_file_sums(const TrainingSetup& s) {
  const Json sums = sums_of_files(s);
  s.group.on_main([&] { refuse_other_files(*s.dir, sums); });
  const std::string changed =
      first_change(parse_json(s.group.broadcast(sums.dump()), "process 0"), sums);
  if (!changed.empty()) throw UsageError(changed + ": is not the same file as process 0 has");
  return sums;
}

void write_run_json(const TrainingSetup& s, const RunHead& head) {
  const Json run = {{"tptt_version", TPTT_VERSION},
                    {"libtorch_version", TPTT_TORCH_VERSION},
                    {"model", s.config.model.name_or_path},
                    {"device", s.config.model.device},
                    {"dtype", s.config.model.dtype},
                    {"seed", s.config.training.seed},
                    {"num_threads", s.config.training.num_threads},
                    {"world_size", s.group.size()},
                    {"trainable_parameters", head.trainable_parameters},
                    {"train_examples", s.data.train.size()},
                    {"eval_examples", s.data.eval.size()},
                    {"total_steps", s.total_steps},
                    {"files", s.file_sums}};
  write_file_atomic(s.dir->run_json().string(), run.dump(2) + "\n");
}

}  // namespace tptt
