#include <algorithm>

#include "models/families/family.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

constexpr int64_t kMaxLayers = 4096;

}  // namespace

void check_num_layers(int64_t num_hidden_layers, const std::string& where) {
  check_size(where, "num_hidden_layers", num_hidden_layers, kMaxLayers);
}

ModelConfig llama_like(const ConfigReader& json, const FamilyDefaults& defaults) {
  ModelConfig c;
  c.vocab_size = json.integer("vocab_size");
  c.hidden_size = json.integer("hidden_size");
  c.num_hidden_layers = json.integer("num_hidden_layers");
  c.max_position_embeddings =
      json.integer("max_position_embeddings", defaults.max_position_embeddings);
  c.tie_word_embeddings = json.boolean("tie_word_embeddings", defaults.tie_word_embeddings);
  c.norm.eps = json.number("rms_norm_eps", defaults.rms_norm_eps);
  LayerConfig layer;
  AttentionConfig& a = layer.attention;
  a.num_attention_heads = json.integer("num_attention_heads");
  a.num_key_value_heads = json.integer("num_key_value_heads", a.num_attention_heads);
  a.head_dim = defaults.head_dim > 0 ? defaults.head_dim
                                     : c.hidden_size / std::max<int64_t>(a.num_attention_heads, 1);
  a.head_dim = json.integer("head_dim", a.head_dim);
  a.qkv_bias = a.o_bias = json.boolean("attention_bias", false);
  layer.mlp.intermediate_size = json.integer("intermediate_size");
  layer.mlp.hidden_act = json.string(defaults.activation_key, defaults.activation);
  check_num_layers(c.num_hidden_layers, json.where());
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
    c.layers.push_back(layer);
    c.layers.back().name = "model.layers." + std::to_string(i);
  }
  c.ropes = {read_rope(json, a.head_dim, defaults.rope_theta)};
  return c;
}

void set_sliding_windows(ModelConfig& config, const ConfigReader& json, int64_t sliding_window,
                         const std::vector<bool>& slides) {
  const std::vector<std::string> types = json.strings("layer_types");
  if (!types.empty() && types.size() != config.layers.size())
    throw Error(json.where() + ": layer_types must have one entry a layer");
  for (size_t i = 0; i < config.layers.size(); ++i) {
    bool slide = slides[i];
    if (!types.empty()) {
      slide = types[i] == "sliding_attention";
      if (!slide && types[i] != "full_attention")
        throw Error(json.where() + ": layer_types holds '" + types[i] +
                    "'; expected full_attention or sliding_attention");
    }
    if (!slide) continue;
    if (sliding_window < 1)
      throw Error(json.where() + ": sliding_window must be at least 1, got " +
                  std::to_string(sliding_window));
    config.layers[i].attention.sliding_window = sliding_window;
  }
}

void set_qwen_windows(ModelConfig& config, const ConfigReader& json) {
  if (!json.boolean("use_sliding_window", false)) return;
  if (json.names("sliding_window") && !json.has("sliding_window")) return;
  const int64_t first = json.integer("max_window_layers", 28);
  std::vector<bool> slides(config.layers.size());
  for (size_t i = 0; i < slides.size(); ++i) slides[i] = int64_t(i) >= first;
  set_sliding_windows(config, json, json.integer("sliding_window", 4096), slides);
}

void set_clip_qkv(ModelConfig& config, const ConfigReader& json) {
  if (!json.has("clip_qkv")) return;
  const double clip = json.number("clip_qkv");
  if (!(clip > 0)) throw Error(json.where() + ": clip_qkv must be above 0");
  for (LayerConfig& layer : config.layers) layer.attention.clip_qkv = clip;
}

void set_attention_bias(ModelConfig& config, bool qkv, bool o) {
  for (LayerConfig& layer : config.layers) {
    layer.attention.qkv_bias = qkv;
    layer.attention.o_bias = o;
  }
}

void set_qk_norm(ModelConfig& config, bool all_heads) {
  for (LayerConfig& layer : config.layers) {
    layer.attention.q_norm = "q_norm";
    layer.attention.k_norm = "k_norm";
    layer.attention.norm_all_heads = all_heads;
  }
}

}  // namespace tptt
