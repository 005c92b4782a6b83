#include "models/families/family.h"

namespace tptt {

/// Gemma 1: norms with weights stored less one, scaled embeddings, gated MLP with GELU.
ModelConfig read_gemma(const ConfigReader& json) {
  ModelConfig c = llama_like(json, {.head_dim = 256,
                                    .max_position_embeddings = 8192,
                                    .tie_word_embeddings = true,
                                    .activation = "gelu_pytorch_tanh"});
  set_gemma_scales(c, json);
  for (LayerConfig& layer : c.layers)  // the released files say gelu and mean its tanh form
    if (layer.mlp.hidden_act == "gelu") layer.mlp.hidden_act = "gelu_pytorch_tanh";
  return c;
}

}  // namespace tptt
