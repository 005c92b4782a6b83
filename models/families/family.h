#pragma once

#include <string>
#include <vector>

#include "models/formats/config_reader.h"
#include "models/model_config.h"

namespace tptt {

/// A model family: Hugging Face's model_type and how its config.json describes the model. One file
/// here and one line in families.cpp.
struct Family {
  const char* model_type;
  ModelConfig (*read)(const ConfigReader& json);
};

std::vector<std::string> family_names();

/// Throws Error that lists the known types.
const Family& find_family(const std::string& model_type, const std::string& where);

/// What config.json may leave out, as the family's own class in Transformers has it.
struct FamilyDefaults {
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000.0;
  int64_t head_dim = 0;  // 0: hidden_size / num_attention_heads
  int64_t max_position_embeddings = 2048;
  bool tie_word_embeddings = false;
  const char* activation_key = "hidden_act";
  const char* activation = "silu";
};

/// Llama's description, from which most families differ in a few lines: RMSNorm before attention
/// and MLP, RoPE, grouped-query attention without biases, gated MLP.
ModelConfig llama_like(const ConfigReader& json, const FamilyDefaults& defaults = {});

/// Norm weights stored less one and embeddings times sqrt(hidden_size), as in every Gemma.
void set_gemma_scales(ModelConfig& config, const ConfigReader& json);

/// What Gemma 2 and 3 have in common besides: norms before and behind attention and MLP, an
/// attention scale of their own.
ModelConfig gemma_like(const ConfigReader& json);

/// The value of a soft cap; absent is `fallback`, null is none (0).
double read_softcapping(const ConfigReader& json, const char* key, double fallback);

/// Throws Error when the number of layers is not one a model may have.
void check_num_layers(int64_t num_hidden_layers, const std::string& where);

/// Rotary frequencies for heads of `head_dim` from rope_theta, partial_rotary_factor and
/// rope_scaling or rope_parameters (Transformers 5). Throws Error for a rope_type that is not
/// known.
RopeConfig read_rope(const ConfigReader& json, int64_t head_dim, double default_theta);

/// The same from one object of settings.
RopeConfig read_rope_object(const ConfigReader& rope, const ConfigReader& json, int64_t head_dim,
                            double default_theta);

/// Gives the layers that slide the window of `sliding_window`, by layer_types where the file has
/// them, else by `slides`.
void set_sliding_windows(ModelConfig& config, const ConfigReader& json, int64_t sliding_window,
                         const std::vector<bool>& slides);

/// As Qwen 2 and 3: with use_sliding_window the layers from max_window_layers on slide.
void set_qwen_windows(ModelConfig& config, const ConfigReader& json);

/// OLMo's clip_qkv.
void set_clip_qkv(ModelConfig& config, const ConfigReader& json);

/// q_proj, k_proj and v_proj of every layer with or without biases, and o_proj.
void set_attention_bias(ModelConfig& config, bool qkv, bool o);

/// Norms of q and k of every layer before RoPE.
void set_qk_norm(ModelConfig& config, bool all_heads);

}  // namespace tptt
