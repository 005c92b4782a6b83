#include "models/families/family.h"

namespace tptt {

/// Llama 1 to 3 and what shares their architecture (SmolLM2, TinyLlama).
ModelConfig read_llama(const ConfigReader& json) {
  ModelConfig c = llama_like(json);
  for (LayerConfig& layer : c.layers) layer.mlp.bias = json.boolean("mlp_bias", false);
  return c;
}

}  // namespace tptt
