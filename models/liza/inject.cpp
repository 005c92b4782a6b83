#include "models/liza/inject.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "models/liza/operator_mode.h"
#include "models/module_names.h"

namespace tptt {
namespace {

LizaLayer make_liza_layer(const LizaConfig& config, const AttentionConfig& attention,
                          at::Device device) {
  const int64_t H = attention.num_attention_heads, G = attention.num_key_value_heads,
                D = attention.head_dim;
  const auto options = at::TensorOptions(at::kFloat).device(device);
  const MagConfig& mag = config.mag;
  LizaLayer layer;
  layer.config = config;
  layer.mag_weight = mag.effective_weight >= 0 ? mag.effective_weight : mag.mag_weight;
  if (find_operator_mode(config.operator_mode).beta == Gate::learned) {
    const at::Tensor eye = at::eye(D, options);
    layer.weights = {eye.repeat({H, 1, 1}), eye.repeat({G, 1, 1}), at::zeros({G, D}, options),
                     at::zeros({G}, options)};
  }
  if (config.branch_scale == "learned") layer.scale = at::zeros({H}, options);
  if (has_learned_gate(mag)) {
    const double logit = std::log(mag.mag_weight / (1 - mag.mag_weight));
    layer.gate = at::full({H}, logit, options);
  }
  if (mag.mode == "token") layer.gate_weight = at::zeros({H, D}, options);
  for (const auto& [name, tensor] : learned_tensors(layer)) tensor.requires_grad_(true);
  return layer;
}

}  // namespace

void inject_liza(CausalLM& model, const LizaConfig& config) {
  const bool all = config.target_modules == std::vector<std::string>{"all"};
  ModuleSelector targets({config.target_modules}, "liza.target_modules");
  std::vector<std::string> names;
  for (Attention* attention : model.attentions()) {
    names.push_back(attention->name);
    if (!all && !targets.fits(attention->name)) continue;
    attention->liza = make_liza_layer(config, attention->config, model.device());
    if (config.max_self_attn_length)
      attention->bounded = {*config.max_self_attn_length, config.num_sink_tokens};
  }
  if (!all) targets.check_all_fitted(names);
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
