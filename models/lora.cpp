#include "models/lora.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <set>

#include "models/formats/error.h"
#include "models/formats/regex.h"

namespace tptt {

bool names_module(const std::string& target, const std::string& module) {
  return module == target || module.ends_with("." + target);
}

namespace {

bool fits(const std::string& pattern, const std::string& module) {
  size_t begin = 0, end = 0;
  return Regex("^(?:.*\\.)?(?:" + pattern + ")$", "lora").find(module, 0, &begin, &end);
}

// PEFT takes the first pattern in the file's order, which JSON does not keep.
template <class T>
T pattern_value(const std::vector<std::pair<std::string, T>>& patterns, const std::string& module,
                T otherwise) {
  const std::pair<std::string, T>* found = nullptr;
  for (const auto& entry : patterns) {
    if (!fits(entry.first, module)) continue;
    if (found && found->second != entry.second)
      throw UsageError("lora: '" + found->first + "' and '" + entry.first + "' both fit module '" +
                       module + "'; expected patterns that do not overlap");
    found = &entry;
  }
  return found ? found->second : otherwise;
}

Lora make_lora(const LoraConfig& config, const Linear& linear, const at::Device& device,
               at::Generator& generator) {
  const int64_t r = pattern_value(config.rank_pattern, linear.name, config.r);
  const double alpha = pattern_value(config.alpha_pattern, linear.name, config.lora_alpha);
  Lora lora;
  const double bound = 1.0 / std::sqrt(double(linear.in));  // Kaiming-uniform with a = sqrt(5)
  lora.a = at::empty({r, linear.in}, at::kFloat).uniform_(-bound, bound, generator);
  lora.a = lora.a.to(device).requires_grad_(true);
  lora.b =
      at::zeros({linear.out, r}, at::TensorOptions(at::kFloat).device(device)).requires_grad_(true);
  lora.scaling = alpha / (config.use_rslora ? std::sqrt(double(r)) : double(r));
  lora.dropout = config.lora_dropout;
  return lora;
}

}  // namespace

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
    linear.lora = make_lora(config, linear, model.device(), generator);
    linear.lora->module = i;
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
