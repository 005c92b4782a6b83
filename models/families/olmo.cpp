#include "models/families/family.h"

namespace tptt {

/// OLMo: LayerNorm without parameters, q, k, v clipped where clip_qkv is set.
ModelConfig read_olmo(const ConfigReader& json) {
  ModelConfig c = llama_like(json);
  c.norm = {.layer_norm = true, .weight = false, .eps = 1e-5};
  set_clip_qkv(c, json);
  return c;
}

}  // namespace tptt
