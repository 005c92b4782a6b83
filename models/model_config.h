#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tptt {

/// One set of rotary frequencies; names as in Hugging Face's config.json.
struct RopeConfig {
  std::string rope_type = "default";  // default, linear, dynamic, yarn, llama3, longrope
  double rope_theta = 10000.0;
  int64_t rotary_dim = 0;  // leading part of a head that is rotated
  double factor = 1.0;
  double attention_factor = 1.0;  // what cos and sin are multiplied by (yarn, longrope)
  double low_freq_factor = 1.0, high_freq_factor = 4.0;  // llama3
  double beta_fast = 32, beta_slow = 1;                  // yarn
  bool truncate = true;                                  // yarn
  std::vector<double> short_factor, long_factor;         // longrope, [rotary_dim / 2]
  int64_t original_max_position_embeddings = 0;          // llama3, yarn, longrope
  int64_t max_position_embeddings = 0;                   // dynamic
  /// GGUF has llama3's scaling as numbers: [rotary_dim / 2], what each frequency is divided by.
  std::vector<float> freq_factors;
};

/// The kind of all norms of a model.
struct NormConfig {
  bool layer_norm = false;  // else RMSNorm
  bool weight = true;       // false: OLMo's LayerNorm without parameters
  bool bias = false;
  double weight_offset = 0;       // Gemma's weights are stored less one
  bool multiply_float32 = false;  // the weight before the cast to the model's type, not after
  double eps = 1e-6;
};

/// Names are those of modules below the layer's or the attention's own; an empty one is not there.
struct AttentionConfig {
  std::string name = "self_attn";
  int64_t num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0;
  std::string q_proj = "q_proj", k_proj = "k_proj", v_proj = "v_proj";
  std::string qkv_proj;  // instead of the three: rows of q, then k, then v
  std::string o_proj = "o_proj";
  bool qkv_bias = false, o_bias = false;
  std::string q_norm, k_norm;
  bool norm_all_heads = false;   // one norm over all heads together, else one of each head
  double clip_qkv = 0;           // 0: no clipping
  double scaling = 0;            // of q k^T
  double logit_softcapping = 0;  // 0: none
  int64_t sliding_window = 0;    // tokens seen, itself included; 0: all
  int64_t rope = 0;              // index into ModelConfig::ropes; -1: no rotation
};

/// The activations there are, as Hugging Face names them.
inline constexpr const char* kActivations[] = {
    "silu", "swish", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu"};

struct MlpConfig {
  std::string name = "mlp";
  std::string gate_proj = "gate_proj", up_proj = "up_proj", down_proj = "down_proj";
  std::string gate_up_proj;  // instead of the two: rows of gate, then up
  bool bias = false;
  std::string hidden_act = "silu";
  int64_t intermediate_size = 0;
  /// Above 0: a mixture of such MLPs, "experts.N" below the module, and a router "gate".
  int64_t num_experts = 0, num_experts_per_tok = 0;
  bool norm_topk_prob = false;
};

/// x += residual * out_norm(attention(norm(x))), then the same with the MLP.
struct LayerConfig {
  std::string name;  // "model.layers.3"
  std::string attention_norm = "input_layernorm", attention_out_norm;
  std::string mlp_norm = "post_attention_layernorm", mlp_out_norm;
  AttentionConfig attention;
  MlpConfig mlp;
};

/// What a decoder-only model is. A family (models/families) makes it from config.json.
struct ModelConfig {
  std::string model_type;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t max_position_embeddings = 0;
  std::string embed_tokens = "model.embed_tokens";
  std::string embed_positions;  // GPT-2's learned positions, or empty
  std::string final_norm = "model.norm";
  std::string lm_head = "lm_head";
  bool tie_word_embeddings = false;
  bool conv1d = false;  // weights are stored [in, out], as GPT-2's Conv1D
  NormConfig norm;
  double embedding_multiplier = 1, residual_multiplier = 1;
  bool rounds_multiplier = false;      // Gemma: embedding_multiplier to the weights' type first
  double logits_scaling = 1;           // logits are divided by it
  double final_logit_softcapping = 0;  // 0: none
  std::vector<RopeConfig> ropes;
  std::vector<LayerConfig> layers;
  std::string torch_dtype;  // as stored: float32, float16, bfloat16
  int64_t bos_token_id = -1;
  std::vector<int64_t> eos_token_id;  // every id that ends a generation

  /// What ends a text in training: the first of eos_token_id, -1 where there is none.
  int32_t first_eos() const { return eos_token_id.empty() ? -1 : int32_t(eos_token_id[0]); }
};

}  // namespace tptt
