#include "models/families/family.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

// rope_parameters of each layer type (Transformers 5), or rope_theta and rope_local_base_freq.
void set_ropes(ModelConfig& c, const ConfigReader& json) {
  const int64_t head_dim = c.layers[0].attention.head_dim;
  static const Json none = Json::object();
  const ConfigReader plain(none, json.where());
  const auto nested = [&](const char* type, const ConfigReader& otherwise) {
    if (!json.has("rope_parameters")) return otherwise;
    const ConfigReader all = json.object("rope_parameters");
    return all.has(type) ? all.object(type) : plain;
  };
  const ConfigReader scaling = json.has("rope_scaling") ? json.object("rope_scaling") : plain;
  RopeConfig global = read_rope_object(nested("full_attention", scaling), json, head_dim, 1e6);
  RopeConfig local = read_rope_object(nested("sliding_attention", plain), plain, head_dim,
                                      json.number("rope_local_base_freq", 1e4));
  c.ropes = {global, local};
  for (LayerConfig& layer : c.layers)
    if (layer.attention.sliding_window > 0) layer.attention.rope = 1;
}

}  // namespace

/// Gemma 3, text: norms of q and k, one full layer in six with a RoPE base of its own.
ModelConfig read_gemma3_text(const ConfigReader& json) {
  ModelConfig c = gemma_like(json);
  set_qk_norm(c, /*all_heads=*/false);
  // attn_logit_softcapping may be in the file, but the model does not use it.
  c.final_logit_softcapping = read_softcapping(json, "final_logit_softcapping", 0);
  const int64_t pattern = json.integer("sliding_window_pattern", 6);
  if (pattern < 1) throw Error(json.where() + ": sliding_window_pattern must be at least 1");
  std::vector<bool> slides(c.layers.size());
  for (size_t i = 0; i < slides.size(); ++i) slides[i] = (int64_t(i) + 1) % pattern != 0;
  set_sliding_windows(c, json, json.integer("sliding_window", 4096), slides);
  set_ropes(c, json);
  return c;
}

}  // namespace tptt
