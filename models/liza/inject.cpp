#include "models/liza/inject.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>

#include <cmath>
#include <set>

#include "models/formats/error.h"
#include "models/lora.h"

namespace tptt {
namespace {

LizaLayer make_liza_layer(const LizaConfig& config, int64_t num_heads, at::Device device) {
  const MagConfig& mag = config.mag;
  LizaLayer layer;
  layer.config = config;
  layer.mag_weight = mag.effective_weight >= 0 ? mag.effective_weight : mag.mag_weight;
  if (mag.mode != "learned") return layer;
  const double logit = std::log(mag.mag_weight / (1 - mag.mag_weight));
  layer.gate = at::full({num_heads}, logit, at::TensorOptions(at::kFloat).device(device));
  layer.gate.requires_grad_(true);
  return layer;
}

}  // namespace

void inject_liza(CausalLM& model, const LizaConfig& config) {
  const bool all = config.target_modules == std::vector<std::string>{"all"};
  std::set<std::string> unmatched(config.target_modules.begin(), config.target_modules.end());
  for (Attention* attention : model.attentions()) {
    bool chosen = all;
    for (const auto& target : config.target_modules) {
      if (!names_module(target, attention->name)) continue;
      chosen = true;
      unmatched.erase(target);
    }
    if (!chosen) continue;
    attention->liza = make_liza_layer(config, attention->config.num_attention_heads, model.device());
    if (config.max_self_attn_length)
      attention->bounded = {*config.max_self_attn_length, config.num_sink_tokens};
  }
  if (!all && !unmatched.empty())
    throw UsageError("liza.target_modules: no attention of this model is named '" +
                     *unmatched.begin() + "'; expected all or names such as " +
                     model.attentions().front()->name);
  if (config.implementation == "tptt") model.forbid_padding();
}

void set_mag_weight(CausalLM& model, double weight) {
  for (Attention* attention : model.attentions())
    if (attention->liza) attention->liza->mag_weight = weight;
}

std::vector<double> mag_weights(CausalLM& model) {
  std::vector<double> weights;
  for (const Attention* attention : model.attentions())
    if (attention->liza) weights.push_back(attention->liza->mean_weight());
  return weights;
}

void set_attention_window(CausalLM& model, const AttentionWindow& window) {
  for (Attention* attention : model.attentions()) attention->bounded = window;
}

}  // namespace tptt
