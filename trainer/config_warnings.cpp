#include "trainer/config_warnings.h"

#include "models/liza/operator_mode.h"
#include "trainer/config_keys.h"
#include "trainer/config_text.h"

namespace tptt {
namespace {

// The keys of a section whose values differ, with the value of `b`.
struct Values {
  std::vector<std::pair<std::string, std::string>>& out;
  void operator()(const char* name, const auto& value, const Rule&, const char*) const {
    out.emplace_back(name, value_to_yaml(value));
  }
};

std::vector<std::pair<std::string, std::string>> values_of(const LoraConfig& lora) {
  std::vector<std::pair<std::string, std::string>> out;
  visit_keys(lora, Values{out});
  return out;
}

}  // namespace

std::vector<std::string> settings_without_effect(const Config& config) {
  const TrainingSection& t = config.training;
  const TrainingSection plain;
  const bool constant = t.lr_scheduler_type.starts_with("constant");
  std::vector<std::string> lines;
  const auto warn = [&](bool idle, const std::string& key, const std::string& why) {
    if (idle) lines.push_back(key + " has no effect: " + why);
  };
  warn(t.min_lr_ratio > 0 && constant, "training.min_lr_ratio",
       "lr_scheduler_type " + t.lr_scheduler_type + " never falls");
  warn(t.warmup_steps > 0 && t.lr_scheduler_type == "constant", "training.warmup_steps",
       "lr_scheduler_type constant has no warm-up; constant_with_warmup has");
  warn(t.max_steps > 0 && t.num_train_epochs != plain.num_train_epochs, "training.num_train_epochs",
       "training.max_steps says where to end");
  warn(t.eval_steps > 0 && t.eval_strategy != "steps", "training.eval_steps",
       "training.eval_strategy is " + t.eval_strategy);
  warn(t.save_steps > 0 && t.save_strategy != "steps", "training.save_steps",
       "training.save_strategy is " + t.save_strategy);
  warn(t.learning_rate == 0, "training", "training.learning_rate is 0, nothing is learned");
  if (!config.liza) return lines;
  const MagConfig &mag = config.liza->mag, usual = LizaConfig().mag;
  const auto only_with = [&](bool set, const char* key, const char* mode) {
    warn(set && mag.mode != mode, std::string("liza.mag.") + key,
         std::string("it belongs to mag.mode ") + mode + ", and the mode is " + mag.mode);
  };
  warn(mag.gate_lr_multiplier != usual.gate_lr_multiplier && !memory_learns(*config.liza),
       "liza.mag.gate_lr_multiplier", "nothing of this memory learns");
  const LizaConfig& liza = *config.liza;
  const bool maps = find_operator_mode(liza.operator_mode).beta == Gate::learned;
  warn(liza.memory_lr_multiplier != LizaConfig().memory_lr_multiplier && !maps &&
           mag.mode != "token",
       "liza.memory_lr_multiplier", "this memory has no maps or weights that learn");
  warn(liza.transfer_learning_rate != LizaConfig().transfer_learning_rate &&
           liza.transfer_steps == 0,
       "liza.transfer_learning_rate", "liza.transfer_steps is 0");
  only_with(mag.transition_step != usual.transition_step, "transition_step", "gradual");
  only_with(!mag.weight_list.empty(), "weight_list", "cyclic");
  return lines;
}

std::vector<std::string> settings_of_adapter_hold(const LoraConfig& given,
                                                  const LoraConfig& adapter) {
  const auto mine = values_of(given), usual = values_of(LoraConfig()), theirs = values_of(adapter);
  std::vector<std::string> lines;
  for (size_t i = 0; i < mine.size(); ++i) {
    const auto& [key, value] = mine[i];
    if (key == "loraplus_lr_ratio" || value == usual[i].second || value == theirs[i].second)
      continue;
    lines.push_back("lora." + key + " has no effect: the adapter that is trained on has " +
                    theirs[i].second);
  }
  return lines;
}

}  // namespace tptt
