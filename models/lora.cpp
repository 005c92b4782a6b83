#include "models/lora.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <set>

#include "models/formats/error.h"

namespace tptt {

bool names_module(const std::string& target, const std::string& module) {
  return module == target || module.ends_with("." + target);
}

void add_lora(CausalLM& model, const LoraConfig& config, uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const bool all = config.target_modules == std::vector<std::string>{"all-linear"};
  const auto linears = model.linears();
  std::set<std::string> unmatched(config.target_modules.begin(), config.target_modules.end());
  for (size_t i = 0; i < linears.size(); ++i) {
    Linear& linear = *linears[i];
    bool chosen = all && &linear != &model.head();
    for (const auto& target : config.target_modules) {
      if (!names_module(target, linear.name)) continue;
      chosen = true;
      unmatched.erase(target);
    }
    if (!chosen) continue;
    Lora lora;
    const double bound = 1.0 / std::sqrt(double(linear.in));  // Kaiming-uniform with a = sqrt(5)
    lora.a = at::empty({config.r, linear.in}, at::kFloat);
    lora.a.uniform_(-bound, bound, generator);
    lora.a = lora.a.to(model.device()).requires_grad_(true);
    lora.b = at::zeros({linear.out, config.r}, at::TensorOptions(at::kFloat).device(model.device()))
                 .requires_grad_(true);
    lora.scaling = config.lora_alpha / double(config.r);
    lora.dropout = config.lora_dropout;
    lora.module = i;
    linear.lora = std::move(lora);
  }
  if (!all && !unmatched.empty()) {
    std::string known;
    for (const Linear* linear : linears) {
      const std::string last = linear->name.substr(linear->name.rfind('.') + 1);
      if (known.find(last) == std::string::npos) known += (known.empty() ? "" : ", ") + last;
    }
    throw UsageError("lora.target_modules: no module of this model is named '" +
                     *unmatched.begin() + "'; expected all-linear or some of: " + known);
  }
}

std::vector<Trainable> trainables(CausalLM& model) {
  std::vector<Trainable> all;
  for (const Linear* linear : model.linears()) {
    if (!linear->lora) continue;
    all.push_back({"base_model.model." + linear->name + ".lora_A.weight", linear->lora->a});
    all.push_back({"base_model.model." + linear->name + ".lora_B.weight", linear->lora->b});
  }
  for (const Attention* attention : model.attentions()) {
    if (!attention->liza || !attention->liza->gate.defined()) continue;
    all.push_back({attention->name + ".liza.gate", attention->liza->gate, true});
  }
  return all;
}

}  // namespace tptt
