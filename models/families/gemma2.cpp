#include "models/families/family.h"

namespace tptt {

/// Gemma 2: norms before and behind, every other layer slides, capped logits.
ModelConfig read_gemma2(const ConfigReader& json) {
  ModelConfig c = gemma_like(json);
  std::vector<bool> slides(c.layers.size());
  for (size_t i = 0; i < slides.size(); ++i) slides[i] = i % 2 == 0;
  set_sliding_windows(c, json, json.integer("sliding_window", 4096), slides);
  c.final_logit_softcapping = read_softcapping(json, "final_logit_softcapping", 30);
  for (LayerConfig& layer : c.layers)
    layer.attention.logit_softcapping = read_softcapping(json, "attn_logit_softcapping", 50);
  return c;
}

}  // namespace tptt
