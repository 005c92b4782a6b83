#include "models/families/family.h"

namespace tptt {

/// Mistral: Llama without biases, a sliding window in every layer where the file has one.
ModelConfig read_mistral(const ConfigReader& json) {
  ModelConfig c = llama_like(json, {.max_position_embeddings = 4096 * 32});
  set_attention_bias(c, false, false);
  // Absent is the class's 4096, null is none.
  const bool slides = json.has("sliding_window") || !json.names("sliding_window");
  set_sliding_windows(c, json, json.integer("sliding_window", 4096),
                      std::vector<bool>(c.layers.size(), slides));
  return c;
}

}  // namespace tptt
