#include "trainer/run_json.h"

#include "models/formats/atomic_file.h"
#include "models/formats/json.h"
#include "trainer/file_sum.h"

namespace tptt {
namespace {

Json file_sums(const TrainingSetup& s) {
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

}  // namespace

void write_run_json(const TrainingSetup& s, const RunHead& head) {
  const Json run = {{"tptt_version", TPTT_VERSION},
                    {"libtorch_version", TPTT_TORCH_VERSION},
                    {"model", s.config.model.name_or_path},
                    {"device", s.config.model.device},
                    {"dtype", s.config.model.dtype},
                    {"seed", s.config.training.seed},
                    {"num_threads", s.config.training.num_threads},
                    {"trainable_parameters", head.trainable_parameters},
                    {"train_examples", s.data.train.size()},
                    {"eval_examples", s.data.eval.size()},
                    {"total_steps", s.total_steps},
                    {"files", file_sums(s)}};
  write_file_atomic(s.dir->run_json().string(), run.dump(2) + "\n");
}

}  // namespace tptt
