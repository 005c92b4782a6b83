#include "models/families/family.h"

namespace tptt {

/// Qwen3: norms of q and k in each head, heads of 128, no biases by default.
ModelConfig read_qwen3(const ConfigReader& json) {
  ModelConfig c = llama_like(json, {.head_dim = 128, .max_position_embeddings = 32768});
  set_qk_norm(c, /*all_heads=*/false);
  set_qwen_windows(c, json);
  return c;
}

}  // namespace tptt
