#include "trainer/run_head.h"

#include <ATen/Parallel.h>

#include <set>

#include "models/lora.h"

namespace tptt {
namespace {

std::string method(const Config& config) {
  const std::string lora = "LoRA (r " + std::to_string(config.lora.r) + ")";
  return config.liza ? lora + " and LiZA (" + config.liza->operator_mode + ", mag " +
                           config.liza->mag.mode + ")"
                     : lora;
}

}  // namespace

RunHead describe_run(const TrainingSetup& setup) {
  const Config& config = setup.config;
  const TrainingData& data = setup.data;
  CausalLM& model = *setup.model;
  RunHead head;
  head.version = TPTT_VERSION;
  head.model = config.model.name_or_path;
  head.method = method(config);
  for (const Trainable& p : trainables(model)) head.trainable_parameters += p.tensor.numel();
  head.total_parameters = head.trainable_parameters;
  std::set<const void*> counted;  // a tied head is the embedding once more
  for (const BaseParameter& p : model.base_parameters())
    if (counted.insert(p.weight ? p.weight->data() : p.tensor->const_data_ptr()).second)
      head.total_parameters += p.weight ? p.weight->numel() : p.tensor->numel();
  head.train_rows = int64_t(data.train.size());
  for (const Example& e : data.train) head.train_tokens += int64_t(e.ids.size());
  head.eval_rows = int64_t(data.eval.size());
  if (config.data.packing) head.packs = int64_t(data.items.size());
  const int64_t per_epoch = steps_per_epoch(config, data);
  head.steps = setup.total_steps;
  head.epochs = double(setup.total_steps) / double(per_epoch);
  head.tokens_per_step = head.train_tokens / per_epoch;
  head.dtype = config.model.dtype;
  head.device = config.model.device;
  head.threads = at::get_num_threads();
  head.output_dir = config.training.output_dir;
  return head;
}

}  // namespace tptt
