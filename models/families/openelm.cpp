#include <algorithm>

#include "models/families/family.h"
#include "models/formats/error.h"

namespace tptt {

namespace {

// The multiple of `divisor` nearest to `value`, at least one and not a tenth below it.
int64_t make_divisible(double value, int64_t divisor) {
  int64_t size = std::max(divisor, int64_t(value + double(divisor) / 2) / divisor * divisor);
  if (double(size) < 0.9 * value) size += divisor;
  return size;
}

}  // namespace

/// OpenELM: head counts and MLP widths of each layer's own, fused q, k, v and gate, up. Names and
/// keys are those of the model's own code, which is not part of Transformers.
ModelConfig read_openelm(const ConfigReader& json) {
  for (const char* key : {"ffn_with_glu", "normalize_qk_projections"})
    if (!json.boolean(key, true))
      throw Error(json.where() + ": " + key + " false is not supported; expected true");
  ModelConfig c;
  c.vocab_size = json.integer("vocab_size");
  c.hidden_size = json.integer("model_dim");
  c.num_hidden_layers = json.integer("num_transformer_layers");
  c.max_position_embeddings = json.integer("max_context_length", 2048);
  c.tie_word_embeddings = json.boolean("share_input_output_layers", true);
  c.embed_tokens = "transformer.token_embeddings";
  c.final_norm = "transformer.norm";
  c.norm.eps = json.number("rms_norm_eps", 1e-6);
  check_num_layers(c.num_hidden_layers, json.where());
  const auto heads = json.integers("num_query_heads"), kv_heads = json.integers("num_kv_heads");
  const auto multipliers = json.numbers("ffn_multipliers");
  const int64_t divisor = json.integer("ffn_dim_divisor", 256);
  const size_t count = size_t(c.num_hidden_layers);
  if (heads.size() != count || kv_heads.size() != count || multipliers.size() != count)
    throw Error(json.where() +
                ": num_query_heads, num_kv_heads and ffn_multipliers must have one number a layer");
  check_size(json.where(), "model_dim", c.hidden_size, kMaxSize);
  check_size(json.where(), "ffn_dim_divisor", divisor, 65536);
  for (size_t i = 0; i < count; ++i) {
    if (!(multipliers[i] > 0) || multipliers[i] > 1000)
      throw Error(json.where() + ": ffn_multipliers must be above 0 and at most 1000");
    LayerConfig layer;
    layer.name = "transformer.layers." + std::to_string(i);
    layer.attention_norm = "attn_norm";
    layer.mlp_norm = "ffn_norm";
    AttentionConfig& a = layer.attention;
    a.name = "attn";
    a.qkv_proj = "qkv_proj";
    a.o_proj = "out_proj";
    a.q_norm = "q_norm";
    a.k_norm = "k_norm";
    a.num_attention_heads = heads[i];
    a.num_key_value_heads = kv_heads[i];
    a.head_dim = json.integer("head_dim");
    layer.mlp.name = "ffn";
    layer.mlp.gate_up_proj = "proj_1";
    layer.mlp.down_proj = "proj_2";
    layer.mlp.hidden_act = json.string("activation_fn_name", "swish");
    layer.mlp.intermediate_size = make_divisible(multipliers[i] * double(c.hidden_size), divisor);
    c.layers.push_back(layer);
  }
  c.ropes = {read_rope(json, json.integer("head_dim"), json.number("rope_freq_constant", 10000))};
  return c;
}

}  // namespace tptt
