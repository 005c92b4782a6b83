#include "trainer/train_setup.h"

#include "models/liza/inject.h"
#include "models/lora.h"
#include "models/registry.h"
#include "trainer/adapter.h"
#include "trainer/config_warnings.h"
#include "trainer/evaluate/training_benchmarks.h"
#include "trainer/forecast.h"
#include "trainer/guard.h"
#include "trainer/log.h"
#include "trainer/runtime.h"

namespace tptt {
namespace {

// The adapter that model.adapter_name_or_path is; what it says of LoRA holds.
std::optional<AdapterConfig> read_continued(Config& config) {
  const std::string& from = config.model.adapter_name_or_path;
  if (from.empty()) return std::nullopt;
  const AdapterConfig continued = read_adapter_config(from);
  check_continues(continued, config);
  for (const std::string& line : settings_of_adapter_hold(config.lora, continued.lora))
    log_warning(line);
  const double ratio = config.lora.loraplus_lr_ratio;  // no adapter says it
  config.lora = continued.lora;
  config.lora.loraplus_lr_ratio = ratio;
  return continued;
}

void add_adapter(CausalLM& model, const Config& config,
                 const std::optional<AdapterConfig>& continued) {
  if (config.liza) inject_liza(model, *config.liza);
  add_lora(model, config.lora, uint64_t(config.training.seed));
  if (!continued) return;
  const std::string& from = config.model.adapter_name_or_path;
  const bool gates = has_gates(continued->liza);
  if (has_gates(config.liza) && !gates)
    log_info(from + " has no gates: they start from liza.mag.mag_weight");
  load_adapter_weights(model, from, gates);
}

constexpr double kMostOfMemory = 0.8;  // of what is free: others want some as well

void choose_gradient_checkpointing(TrainingSetup& s) {
  std::string& choice = s.config.training.gradient_checkpointing;
  if (choice != "auto") return;
  const double needed = step_bytes(*s.model, largest_step(s.config, s.data).micro_batch, false);
  choice = needed > kMostOfMemory * available_memory(s.model->device()) ? "true" : "false";
}

std::unique_ptr<AdamW> make_optimizer(CausalLM& model, const Config& config) {
  const TrainingSection& t = config.training;
  return std::make_unique<AdamW>(
      trainables(model), AdamWOptions{t.adam_beta1, t.adam_beta2, t.adam_epsilon, t.weight_decay,
                                      config.liza ? config.liza->mag.gate_lr_multiplier : 1,
                                      config.lora.loraplus_lr_ratio});
}

}  // namespace

TrainingSetup set_up_training(Config given, const TrainFlags& flags) {
  TrainingSetup s;
  s.config = std::move(given);
  Config& config = s.config;
  for (const std::string& line : settings_without_effect(config)) log_warning(line);
  s.files = find_model(config.model.name_or_path);
  if (!s.files.gguf.empty()) s.base_name = source_repository(s.files);
  if (s.base_name.empty()) s.base_name = config.model.name_or_path;
  const auto continued = read_continued(config);
  if (flags.dry_run) {
    check_run_dir(config, flags.resume);
  } else {
    s.dir.emplace(open_run_dir(config, flags.resume));
  }
  set_threads(config.training.num_threads);
  const at::Device device = resolve_device(config.model.device);
  const at::ScalarType dtype = resolve_dtype(config.model.dtype, device);
  config.model.device = device.str();
  config.model.dtype = to_string(dtype);
  s.tokenizer = load_tokenizer(s.files);
  s.data = load_training_data(config, *s.tokenizer, s.files);
  s.benchmarks = benchmark_tasks(config.evaluation);
  s.total_steps = total_steps(config, s.data);
  if (const auto warning = eos_warning(s.data.train, read_model_config(s.files).eos_token_id))
    log_warning(*warning);
  s.model = load_causal_lm(s.files, dtype, device, config.model.quantization == "keep");
  add_adapter(*s.model, config, continued);
  choose_gradient_checkpointing(s);
  s.optimizer = make_optimizer(*s.model, config);
  return s;
}

}  // namespace tptt
