#include "trainer/config_warnings.h"

#include <catch2/catch.hpp>

using namespace tptt;

namespace {

std::vector<std::string> keys(const std::vector<std::string>& lines) {
  std::vector<std::string> out;
  for (const std::string& line : lines) out.push_back(line.substr(0, line.find(' ')));
  return out;
}

}  // namespace

TEST_CASE("settings that have no effect are named") {
  Config config;
  CHECK(settings_without_effect(config).empty());
  config.training.lr_scheduler_type = "constant";
  config.training.min_lr_ratio = 0.1;
  config.training.warmup_steps = 5;
  config.training.max_steps = 10;
  config.training.num_train_epochs = 1;
  config.training.eval_strategy = "epoch";
  config.training.eval_steps = 7;
  config.training.save_strategy = "no";
  config.training.save_steps = 7;
  config.liza.emplace();
  config.liza->mag.mode = "constant";
  config.liza->mag.gate_lr_multiplier = 3;
  config.liza->mag.transition_step = 3;
  config.liza->mag.weight_list = {0.1};
  CHECK(keys(settings_without_effect(config)) ==
        std::vector<std::string>{"training.min_lr_ratio", "training.warmup_steps",
                                 "training.num_train_epochs", "training.eval_steps",
                                 "training.save_steps", "liza.mag.gate_lr_multiplier",
                                 "liza.mag.transition_step", "liza.mag.weight_list"});
}

TEST_CASE("an adapter that is trained on keeps its own settings") {
  LoraConfig given, adapter;
  adapter.r = 32;
  CHECK(settings_of_adapter_hold(given, adapter).empty());  // nothing was asked for
  given.r = 16;
  given.loraplus_lr_ratio = 4;  // no adapter says it
  CHECK(settings_of_adapter_hold(given, adapter) ==
        std::vector<std::string>{"lora.r has no effect: the adapter that is trained on has 32"});
}
