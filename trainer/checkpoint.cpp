#include "trainer/checkpoint.h"

#include "models/formats/atomic_file.h"
#include "models/formats/json.h"
#include "models/liza/inject.h"
#include "models/lora.h"
#include "trainer/adapter.h"
#include "trainer/checkpoint_dir.h"
#include "trainer/log.h"

namespace tptt {
namespace {

constexpr const char* kOptimizerFile = "optimizer.safetensors";
constexpr const char* kStateFile = "trainer.json";

void share_adapter(TrainingSetup& s) {
  for (const Trainable& p : trainables(*s.model)) s.group.broadcast(p.tensor);
}

}  // namespace

AdapterConfig adapter_config_of(const TrainingSetup& s) {
  return {s.config.lora, s.config.liza, s.base_name, s.files.gguf};
}

void save_checkpoint(TrainingSetup& s) {
  s.state.optimizer_steps = s.optimizer->steps_done();
  const TrainingSection& t = s.config.training;
  s.group.on_main([&] {
    write_checkpoint_dir(*s.dir, s.state.step, t.save_total_limit,
                         t.load_best_model_at_end ? s.state.best.step : -1,
                         [&](const std::filesystem::path& dir) {
                           write_adapter(*s.model, adapter_config_of(s), dir.string());
                           write_tensors((dir / kOptimizerFile).string(), s.optimizer->state());
                           write_file_atomic((dir / kStateFile).string(), to_json_text(s.state));
                         });
  });
}

TrainingState read_training_state(const ProcessGroup& group, const RunDir* dir) {
  const bool resumes = group.decide(dir && dir->resume_from);
  if (!resumes) return {};
  const std::string path = dir && dir->resume_from ? (*dir->resume_from / kStateFile).string() : "";
  std::string text;
  group.on_main([&] { text = read_json_file(path).dump(); });
  return training_state_from_json(group.broadcast(text), path);
}

void restore_tensors(TrainingSetup& s) {
  if (s.state.step == 0) return share_adapter(s);
  s.group.on_main([&] {
    const std::filesystem::path& from = *s.dir->resume_from;
    load_adapter_weights(*s.model, from.string(), has_gates(s.config.liza));
    read_tensors((from / kOptimizerFile).string(), s.optimizer->state());
    log_info("resumed from " + from.string());
  });
  share_adapter(s);
  for (const auto& [name, moment] : s.optimizer->state()) s.group.broadcast(moment);
  s.optimizer->set_steps_done(s.state.optimizer_steps);
}

void load_adapter_of_step(TrainingSetup& s, int64_t step) {
  s.group.on_main([&] {
    load_adapter_weights(*s.model, s.dir->checkpoint(step).string(), has_gates(s.config.liza));
  });
  share_adapter(s);
}

}  // namespace tptt
