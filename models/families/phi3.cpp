#include "models/families/family.h"

namespace tptt {

/// Phi 3, 3.5 and 4: q, k, v in one projection, gate and up in another.
ModelConfig read_phi3(const ConfigReader& json) {
  ModelConfig c = llama_like(json, {.rms_norm_eps = 1e-5, .max_position_embeddings = 4096});
  set_attention_bias(c, false, false);
  for (LayerConfig& layer : c.layers) {
    layer.attention.qkv_proj = "qkv_proj";
    layer.mlp.gate_up_proj = "gate_up_proj";
  }
  if (json.has("sliding_window"))
    set_sliding_windows(c, json, json.integer("sliding_window"),
                        std::vector<bool>(c.layers.size(), true));
  return c;
}

}  // namespace tptt
