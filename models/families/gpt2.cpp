#include <algorithm>
#include <cmath>

#include "models/families/family.h"
#include "models/formats/error.h"

namespace tptt {

namespace {

LayerConfig make_layer(const ConfigReader& json, int64_t i, int64_t hidden_size) {
  LayerConfig layer;
  layer.name = "transformer.h." + std::to_string(i);
  layer.attention_norm = "ln_1";
  layer.mlp_norm = "ln_2";
  AttentionConfig& a = layer.attention;
  a.name = "attn";
  a.qkv_proj = "c_attn";
  a.o_proj = "c_proj";
  a.qkv_bias = a.o_bias = true;
  a.num_attention_heads = a.num_key_value_heads = json.integer("n_head");
  a.head_dim = hidden_size / std::max<int64_t>(a.num_attention_heads, 1);
  a.scaling = json.boolean("scale_attn_weights", true) ? std::pow(double(a.head_dim), -0.5) : 1.0;
  if (json.boolean("scale_attn_by_inverse_layer_idx", false)) a.scaling /= double(i + 1);
  a.rope = -1;
  layer.mlp.gate_proj = "";
  layer.mlp.up_proj = "c_fc";
  layer.mlp.down_proj = "c_proj";
  layer.mlp.bias = true;
  layer.mlp.hidden_act = json.string("activation_function", "gelu_new");
  layer.mlp.intermediate_size = json.integer("n_inner", 4 * hidden_size);
  return layer;
}

}  // namespace

/// GPT-2: learned positions, LayerNorm, fused q, k, v, an MLP without a gate, Conv1D weights.
ModelConfig read_gpt2(const ConfigReader& json) {
  if (json.boolean("add_cross_attention", false))
    throw Error(json.where() + ": add_cross_attention is not supported; expected a decoder alone");
  ModelConfig c;
  c.vocab_size = json.integer("vocab_size");
  c.hidden_size = json.integer("n_embd");
  check_size(json.where(), "n_embd", c.hidden_size, kMaxSize);
  c.num_hidden_layers = json.integer("n_layer");
  c.max_position_embeddings = json.integer("n_positions", 1024);
  c.tie_word_embeddings = json.boolean("tie_word_embeddings", true);
  c.embed_tokens = "transformer.wte";
  c.embed_positions = "transformer.wpe";
  c.final_norm = "transformer.ln_f";
  c.conv1d = true;
  c.norm = {.layer_norm = true, .bias = true, .eps = json.number("layer_norm_epsilon", 1e-5)};
  check_num_layers(c.num_hidden_layers, json.where());
  for (int64_t i = 0; i < c.num_hidden_layers; ++i)
    c.layers.push_back(make_layer(json, i, c.hidden_size));
  return c;
}

}  // namespace tptt
