#include "models/families/family.h"

namespace tptt {

/// Granite 3: Llama with multipliers for embeddings, residuals, attention and logits.
ModelConfig read_granite(const ConfigReader& json) {
  ModelConfig c = llama_like(json);
  c.embedding_multiplier = json.number("embedding_multiplier", 1);
  c.residual_multiplier = json.number("residual_multiplier", 1);
  c.logits_scaling = json.number("logits_scaling", 1);
  for (LayerConfig& layer : c.layers) {
    layer.attention.scaling = json.number("attention_multiplier", 1);
    layer.mlp.bias = json.boolean("mlp_bias", false);
  }
  return c;
}

}  // namespace tptt
