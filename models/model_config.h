#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tptt {

/// RoPE scaling; names as in Hugging Face's config.json.
struct RopeScaling {
  std::string rope_type = "default";  // default, linear, llama3
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  int64_t original_max_position_embeddings = 0;
  /// GGUF has llama3's scaling as numbers: [head_dim / 2], what each frequency is divided by.
  std::vector<float> freq_factors;
};

/// What a model is; field names are those of Hugging Face's config.json.
struct ModelConfig {
  std::string model_type;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;
  int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000.0;
  RopeScaling rope_scaling;
  std::string hidden_act = "silu";
  bool tie_word_embeddings = false;
  bool attention_bias = false;
  bool mlp_bias = false;
  std::string torch_dtype;  // as stored: float32, float16, bfloat16
  int64_t bos_token_id = -1;
  std::vector<int64_t> eos_token_id;  // every id that ends a generation

  /// What ends a text in training: the first of eos_token_id, -1 where there is none.
  int32_t first_eos() const { return eos_token_id.empty() ? -1 : int32_t(eos_token_id[0]); }
};

}  // namespace tptt
