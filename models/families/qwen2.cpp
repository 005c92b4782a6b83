#include "models/families/family.h"

namespace tptt {

/// Qwen2 and 2.5: Llama with biases on q, k, v; upper layers may slide.
ModelConfig read_qwen2(const ConfigReader& json) {
  ModelConfig c = llama_like(json, {.max_position_embeddings = 32768});
  set_attention_bias(c, true, false);
  set_qwen_windows(c, json);
  return c;
}

}  // namespace tptt
