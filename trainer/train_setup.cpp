#include "trainer/train_setup.h"

#include <cstdlib>

#include "models/formats/error.h"
#include "models/liza/inject.h"
#include "models/lora.h"
#include "models/registry.h"
#include "trainer/adapter.h"
#include "trainer/checkpoint.h"
#include "trainer/config_text.h"
#include "trainer/config_warnings.h"
#include "trainer/evaluate/training_benchmarks.h"
#include "trainer/forecast.h"
#include "trainer/guard.h"
#include "trainer/log.h"
#include "trainer/run_json.h"
#include "trainer/runtime.h"
#include "trainer/schedule.h"

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
  const at::Device device = s.model->device();
  const double share = device.is_cpu() ? double(s.group.launch().local_world_size) : 1;
  choice = needed > kMostOfMemory * available_memory(device) / share ? "true" : "false";
}

std::unique_ptr<AdamW> make_optimizer(CausalLM& model, const Config& config) {
  const TrainingSection& t = config.training;
  return std::make_unique<AdamW>(
      trainables(model), AdamWOptions{t.adam_beta1, t.adam_beta2, t.adam_epsilon, t.weight_decay,
                                      config.liza ? config.liza->mag.gate_lr_multiplier : 1,
                                      config.liza ? config.liza->memory_lr_multiplier : 1,
                                      config.lora.loraplus_lr_ratio});
}

// Process 0's configuration is everyone's, so that `auto` is the same everywhere.
void share_config(const ProcessGroup& group, Config& config) {
  const Config main = config_from_yaml(group.broadcast(to_yaml(config)), "process 0");
  const std::string keys = conflicts_text(main, config, "here");
  if (!keys.empty()) throw UsageError("other settings than process 0: " + keys);
  config = main;
}

void open_dir(TrainingSetup& s, const TrainFlags& flags) {
  s.group.on_main([&] {
    if (flags.dry_run) {
      check_run_dir(s.config, flags.resume);
    } else {
      s.dir.emplace(open_run_dir(s.config, flags.resume));
    }
  });
  if (s.group.size() > 1) share_config(s.group, s.config);
  s.state = read_training_state(s.group, s.dir ? &*s.dir : nullptr);
}

ProcessGroup join_others(const Config& config) {
  const Launch launch = read_launch(std::getenv);
  if (launch.rank > 0) set_log_quiet();
  return {launch, std::chrono::seconds(config.training.ddp_timeout)};
}

at::Device choose_device(TrainingSetup& s) {
  ModelSection& model = s.config.model;
  const Launch& launch = s.group.launch();
  const bool alone = s.group.size() == 1;
  const at::Device device =
      resolve_device(model.device, alone ? std::nullopt : std::optional(launch.local_rank));
  s.group.add_device(device);
  model.device = alone || device.is_cpu() ? device.str() : "cuda";
  model.dtype = s.group.broadcast(to_string(resolve_dtype(model.dtype, device)));
  return device;
}

// Process 0 first: the others find its tokens in the cache.
void load_data(TrainingSetup& s) {
  const int64_t own = s.config.training.gradient_accumulation_steps * s.share.size;
  int64_t& micro_batches = s.state.micro_batches;
  if (micro_batches == 0) micro_batches = own;
  if (micro_batches != own)
    log_info("the step stays as the run began: " + std::to_string(micro_batches) +
             " micro-batches, now shared by " + std::to_string(s.group.size()) + " process(es)");
  const auto load = [&] {
    s.data = load_training_data(s.config, *s.tokenizer, s.files, micro_batches);
  };
  s.group.on_main(load);
  if (!s.group.is_main()) load();
  s.benchmarks = benchmark_tasks(s.config.evaluation);
  s.total_steps = total_steps(s.config, s.data);
  if (const int64_t transfers = num_transfer_steps(s.config, s.total_steps);
      transfers >= s.total_steps)
    throw UsageError("liza.transfer_steps " + std::to_string(transfers) +
                     " leaves LoRA none of the " + std::to_string(s.total_steps) +
                     " steps; raise training.max_steps or num_train_epochs");
  if (const auto warning = eos_warning(s.data.train, read_model_config(s.files).eos_token_id))
    log_warning(*warning);
}

}  // namespace

TrainingSetup set_up_training(Config given, const TrainFlags& flags) {
  TrainingSetup s;
  s.config = std::move(given);
  Config& config = s.config;
  s.group = join_others(config);
  s.share = s.group.share();
  if (flags.dry_run && flags.world_size > 1) {
    if (s.group.size() > 1)
      throw UsageError("--world-size: a dry run forecasts for many processes alone");
    s.share = {0, flags.world_size};
  }
  for (const std::string& line : settings_without_effect(config)) log_warning(line);
  s.files = find_model(config.model.name_or_path);
  if (!s.files.gguf.empty()) s.base_name = source_repository(s.files);
  if (s.base_name.empty()) s.base_name = config.model.name_or_path;
  const auto continued = read_continued(config);
  open_dir(s, flags);
  set_threads(config.training.num_threads, s.group.launch().local_world_size);
  const at::Device device = choose_device(s);
  s.tokenizer = load_tokenizer(s.files);
  load_data(s);  // which says more of a file that cannot be read
  if (!flags.dry_run) s.file_sums = check_file_sums(s);
  s.model = load_causal_lm(s.files, resolve_dtype(config.model.dtype, device), device,
                           config.model.quantization == "keep");
  add_adapter(*s.model, config, continued);
  choose_gradient_checkpointing(s);
  s.optimizer = make_optimizer(*s.model, config);
  if (s.group.size() > 1)
    s.gradient_sync = std::make_unique<GradientSync>(s.group, trainables(*s.model));
  return s;
}

}  // namespace tptt
