#include "models/families/family.h"

namespace tptt {

/// OLMoE: a mixture of experts, norms of q and k over all heads, clipping behind them.
ModelConfig read_olmoe(const ConfigReader& json) {
  ModelConfig c = llama_like(json, {.rms_norm_eps = 1e-5, .max_position_embeddings = 4096});
  set_qk_norm(c, /*all_heads=*/true);
  set_clip_qkv(c, json);
  for (LayerConfig& layer : c.layers) {
    layer.mlp.num_experts = json.integer("num_experts", 64);
    layer.mlp.num_experts_per_tok = json.integer("num_experts_per_tok", 8);
    layer.mlp.norm_topk_prob = json.boolean("norm_topk_prob", false);
  }
  return c;
}

}  // namespace tptt
