#include "models/families/family.h"

namespace tptt {

/// OLMo 2: norms behind attention and MLP instead of before, and of q and k over all heads.
ModelConfig read_olmo2(const ConfigReader& json) {
  ModelConfig c = llama_like(json, {.rms_norm_eps = 1e-5});
  c.norm.multiply_float32 = true;
  set_qk_norm(c, /*all_heads=*/true);
  for (LayerConfig& layer : c.layers) {
    layer.attention_norm = layer.mlp_norm = "";
    layer.attention_out_norm = "post_attention_layernorm";
    layer.mlp_out_norm = "post_feedforward_layernorm";
  }
  return c;
}

}  // namespace tptt
