#include "models/families/family.h"
#include "models/formats/error.h"

namespace tptt {

/// SmolLM3: one layer in four without RoPE.
ModelConfig read_smollm3(const ConfigReader& json) {
  ModelConfig c = llama_like(
      json, {.rope_theta = 2e6, .max_position_embeddings = 32768, .tie_word_embeddings = true});
  std::vector<int64_t> with_rope = json.integers("no_rope_layers");  // 1: RoPE, 0: none
  const int64_t interval = json.integer("no_rope_layer_interval", 4);
  if (interval < 1) throw Error(json.where() + ": no_rope_layer_interval must be at least 1");
  for (int64_t i = int64_t(with_rope.size()); i < c.num_hidden_layers; ++i)
    with_rope.push_back((i + 1) % interval != 0);
  std::vector<bool> slides(c.layers.size());
  const bool sliding = json.boolean("use_sliding_window", false) && json.has("sliding_window");
  for (size_t i = 0; i < c.layers.size(); ++i) {
    if (!with_rope[i]) c.layers[i].attention.rope = -1;
    c.layers[i].mlp.bias = json.boolean("mlp_bias", false);
    slides[i] = sliding && !with_rope[i];
  }
  if (sliding) set_sliding_windows(c, json, json.integer("sliding_window"), slides);
  return c;
}

}  // namespace tptt
