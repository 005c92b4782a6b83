#include "models/lora.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "models/formats/error.h"
#include "models/formats/regex.h"
#include "models/lora_init.h"
#include "models/module_names.h"

namespace tptt {
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

// Which modules of a model get LoRA, which are trained whole.
class Choice {
 public:
  Choice(CausalLM& model, const LoraConfig& config)
      : config_(config),
        targets_(config.target_modules, "lora.target_modules"),
        excluded_(config.exclude_modules, "lora.exclude_modules"),
        saved_({config.modules_to_save}, "lora.modules_to_save") {
    if (!config.layers_to_transform.empty() && !config.target_modules.text.empty())
      throw UsageError(
          "lora.layers_to_transform: needs lora.target_modules as a list of names, as in PEFT");
    for (const int64_t layer : config.layers_to_transform)
      if (layer >= model.config.num_hidden_layers)
        throw UsageError("lora.layers_to_transform: the model has no layer " +
                         std::to_string(layer) + "; its last is " +
                         std::to_string(model.config.num_hidden_layers - 1));
    for (const Linear* linear : model.linears()) names_.push_back(linear->name);
    names_.push_back(model.embedding().name);
    head_ = model.head().name;
  }

  bool is_saved(const std::string& module) { return saved_.fits(module); }

  bool is_target(const std::string& module) {
    const bool excluded = excluded_.fits(module) || saved_.fits(module);
    bool target = false;
    if (config_.target_modules.text == kAllLinear) {
      target = module != head_ && module != names_.back();
    } else {
      target = targets_.fits(module) && in_layers(module);
    }
    any_ |= target && !excluded;
    return target && !excluded;
  }

  void check() const {
    if (config_.target_modules.text != kAllLinear) targets_.check_all_fitted(names_);
    excluded_.check_all_fitted(names_);
    saved_.check_all_fitted(names_);
    if (!any_)
      throw UsageError(
          "lora.target_modules: every module that it names is excluded or in no "
          "layer of lora.layers_to_transform");
  }

 private:
  bool in_layers(const std::string& module) const {
    const auto& layers = config_.layers_to_transform;
    const auto& names = config_.target_modules.names;
    if (layers.empty() || std::find(names.begin(), names.end(), module) != names.end()) return true;
    return std::find(layers.begin(), layers.end(), layer_of_module(module)) != layers.end();
  }

  const LoraConfig& config_;
  ModuleSelector targets_, excluded_, saved_;
  std::vector<std::string> names_;
  std::string head_;
  bool any_ = false;
};

Lora scaled_lora(const LoraConfig& config, const std::string& name, int64_t* r) {
  *r = pattern_value(config.rank_pattern, name, config.r);
  const double alpha = pattern_value(config.alpha_pattern, name, config.lora_alpha);
  Lora lora;
  lora.scaling = alpha / (config.use_rslora ? std::sqrt(double(*r)) : double(*r));
  return lora;
}

Lora make_lora(const LoraConfig& config, const Linear& linear, const at::Device& device,
               at::Generator& generator) {
  int64_t r = 0;
  Lora lora = scaled_lora(config, linear.name, &r);
  lora.dropout = config.lora_dropout;
  init_lora(lora, r, config, linear, generator);
  for (at::Tensor* x : {&lora.initial_a, &lora.initial_b})
    if (x->defined()) *x = x->to(device);
  lora.a = lora.a.to(device).requires_grad_(true);
  lora.b = lora.b.to(device).requires_grad_(true);
  if (!config.use_dora) return lora;
  if (linear.weight.defined()) {
    lora.weight_norm = squared_row_norms(to_dense(linear.weight, at::kFloat));
    lora.magnitude = adapted_row_norms(linear.weight, lora).clone();
  } else {
    lora.magnitude = at::zeros({linear.out}, at::kFloat);  // to be read from a file
  }
  lora.magnitude.requires_grad_(true);
  return lora;
}

Lora make_embedding_lora(const LoraConfig& config, const ModelConfig& model,
                         const std::string& name, const at::Device& device,
                         at::Generator& generator) {
  if (config.use_dora)
    throw UsageError("lora.use_dora: is not supported for '" + name +
                     "'; exclude it or leave DoRA out");
  int64_t r = 0;
  Lora lora = scaled_lora(config, name, &r);
  lora.a = at::zeros({r, model.vocab_size}, at::kFloat).to(device).requires_grad_(true);
  lora.b = at::empty({model.hidden_size, r}, at::kFloat).normal_(0, 1, generator);
  lora.b = lora.b.to(device).requires_grad_(true);
  return lora;
}

// A copy: what was tied to it stays as it was. Zeros for a weight that was not loaded.
at::Tensor own_copy(const at::Tensor& x, at::IntArrayRef shape) {
  if (!x.defined()) return at::zeros(shape, at::kFloat).requires_grad_(true);
  return x.detach().to(at::kFloat, /*non_blocking=*/false, /*copy=*/true).requires_grad_(true);
}

FrozenWeight own_copy(const FrozenWeight& weight, at::IntArrayRef shape) {
  const at::Tensor dense = weight.packed() ? to_dense(weight, at::kFloat) : weight.dense;
  return {own_copy(dense, shape), {}};
}

void train_whole(Linear& linear, bool conv1d) {
  if (conv1d)
    throw UsageError("lora.modules_to_save: '" + linear.name +
                     "' has its weight the other way round in this family; expected lm_head or the "
                     "embedding");
  linear.trained = true;
  linear.weight = own_copy(linear.weight, {linear.out, linear.in});
  if (linear.has_bias) linear.bias = own_copy(linear.bias, {linear.out});
}

}  // namespace

void add_lora(CausalLM& model, const LoraConfig& config, uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  Choice choice(model, config);
  const auto linears = model.linears();
  for (size_t i = 0; i < linears.size(); ++i) {
    Linear& linear = *linears[i];
    if (choice.is_saved(linear.name)) {
      train_whole(linear, model.config.conv1d && &linear != &model.head());
    } else if (choice.is_target(linear.name)) {
      linear.lora = make_lora(config, linear, model.device(), generator);
      linear.lora->module = i;
    }
  }
  Embedding& embedding = model.embedding();
  if (choice.is_saved(embedding.name)) {
    embedding.trained = true;
    embedding.weight =
        own_copy(embedding.weight, {model.config.vocab_size, model.config.hidden_size});
  } else if (choice.is_target(embedding.name)) {
    embedding.lora =
        make_embedding_lora(config, model.config, embedding.name, model.device(), generator);
  }
  choice.check();
}

std::vector<Trainable> trainables(CausalLM& model) {
  using Kind = TrainableKind;
  std::vector<Trainable> all;
  for (const Linear* linear : model.linears()) {
    const std::string name = peft_name(linear->name);
    if (linear->trained) {
      all.push_back({name + ".weight", linear->weight.dense});
      if (linear->bias.defined()) all.push_back({name + ".bias", linear->bias});
    }
    if (!linear->lora) continue;
    all.push_back({name + ".lora_A.weight", linear->lora->a, Kind::lora_a});
    all.push_back({name + ".lora_B.weight", linear->lora->b, Kind::lora_b});
    if (linear->lora->magnitude.defined())
      all.push_back({name + ".lora_magnitude_vector", linear->lora->magnitude, Kind::magnitude});
  }
  const Embedding& embedding = model.embedding();
  const std::string name = peft_name(embedding.name);
  if (embedding.trained) all.push_back({name + ".weight", embedding.weight.dense});
  if (embedding.lora) {
    all.push_back({name + ".lora_embedding_A", embedding.lora->a, Kind::embedding});
    all.push_back({name + ".lora_embedding_B", embedding.lora->b, Kind::embedding});
  }
  for (const Attention* attention : model.attentions()) {
    if (!attention->liza) continue;
    for (const auto& [part, tensor] : learned_tensors(*attention->liza))
      all.push_back({attention->name + ".liza." + part, tensor, Kind::gate});
  }
  return all;
}

std::string peft_name(const std::string& module) {
  return "base_model.model." + module;
}

bool adapts_ends(CausalLM& model) {
  const Embedding& embedding = model.embedding();
  return embedding.lora || embedding.trained || model.head().adapted();
}

}  // namespace tptt
