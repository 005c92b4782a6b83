#include <cmath>

#include "models/families/family.h"
#include "models/formats/error.h"

namespace tptt {

void set_gemma_scales(ModelConfig& config, const ConfigReader& json) {
  if (json.boolean("use_bidirectional_attention", false))
    throw Error(json.where() +
                ": use_bidirectional_attention is not supported; expected a causal model");
  config.norm.weight_offset = 1;
  config.norm.multiply_float32 = true;
  config.embedding_multiplier = std::sqrt(double(config.hidden_size));
  config.rounds_multiplier = true;
}

ModelConfig gemma_like(const ConfigReader& json) {
  ModelConfig c = llama_like(json, {.head_dim = 256,
                                    .max_position_embeddings = 8192,
                                    .tie_word_embeddings = true,
                                    .activation_key = "hidden_activation",
                                    .activation = "gelu_pytorch_tanh"});
  set_gemma_scales(c, json);
  const double scalar = json.number("query_pre_attn_scalar", 256);
  if (!(scalar > 0)) throw Error(json.where() + ": query_pre_attn_scalar must be above 0");
  for (LayerConfig& layer : c.layers) {
    layer.attention.scaling = std::pow(scalar, -0.5);
    layer.attention_out_norm = "post_attention_layernorm";
    layer.mlp_norm = "pre_feedforward_layernorm";
    layer.mlp_out_norm = "post_feedforward_layernorm";
  }
  return c;
}

double read_softcapping(const ConfigReader& json, const char* key, double fallback) {
  const double cap = json.number(key, json.names(key) ? 0 : fallback);
  if (!(cap >= 0)) throw Error(json.where() + ": " + key + " must not be below 0");
  return cap;
}

}  // namespace tptt
