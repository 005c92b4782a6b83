#include "models/formats/gguf_config.h"

#include <algorithm>

#include "models/families/family.h"
#include "models/formats/error.h"
#include "models/formats/gguf.h"
#include "models/formats/gguf_names.h"
#include "models/formats/names.h"

namespace tptt {
namespace {

std::vector<float> read_factors(const ReadFile& file, const TensorInfo& info) {
  const std::string where = file.path() + ": tensor '" + info.name + "'";
  if (info.type != FileType::F32 || info.shape.size() != 1 || info.numel() > 65536)
    throw Error(where + ": expected one number a frequency of type F32");
  std::vector<float> factors(info.numel());
  file.read(info.offset, factors.data(), info.nbytes);
  return factors;
}

// The numbers of a tensor that holds RoPE factors; empty when the file has none.
std::vector<float> find_factors(const GgufHeader& header, const char* name) {
  for (const TensorInfo& info : header.tensors)
    if (info.name == name) return read_factors(ReadFile(header.path), info);
  return {};
}

Json read_rope(const GgufHeader& header, const std::string& prefix, int64_t head_dim) {
  const auto key = [&](const char* name) { return prefix + "rope." + name; };
  Json rope = {{"rope_theta", header.get_number(key("freq_base"), 10000.0)}};
  const std::string type = header.get_string(key("scaling.type"), "none");
  rope["rope_type"] = type == "none" ? "default" : type;
  const auto copy = [&](const char* from, const char* to) {
    if (header.has(key(from))) rope[to] = header.get_number(key(from));
  };
  copy("scaling.factor", "factor");
  copy("scaling.yarn_attn_factor", "attention_factor");
  copy("scaling.yarn_beta_fast", "beta_fast");
  copy("scaling.yarn_beta_slow", "beta_slow");
  if (header.has(key("scaling.original_context_length")))
    rope["original_max_position_embeddings"] =
        header.get_int(key("scaling.original_context_length"));
  const int64_t rotated = header.get_int(key("dimension_count"), head_dim);
  if (rotated != head_dim)
    rope["partial_rotary_factor"] = double(rotated) / double(std::max<int64_t>(head_dim, 1));
  const auto freqs = find_factors(header, kGgufRopeFactors);
  if (!freqs.empty()) rope["freq_factors"] = freqs;
  const auto long_factors = find_factors(header, kGgufLongFactors);
  if (long_factors.empty()) return rope;
  rope["rope_type"] = "longrope";  // not written, but meant
  rope["long_factor"] = long_factors;
  rope["short_factor"] = find_factors(header, kGgufShortFactors);
  copy("scaling.attn_factor", "attention_factor");
  return rope;
}

std::vector<int64_t> read_ends(const GgufHeader& header) {
  std::vector<int64_t> ends;
  for (const char* name : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    const int64_t id = header.get_int(name, -1);
    if (id >= 0 && std::find(ends.begin(), ends.end(), id) == ends.end()) ends.push_back(id);
  }
  return ends;
}

void gemma(const GgufHeader& header, const std::string& prefix, Json& json, int64_t odd_layers) {
  // The scale of the scores is not in the file: that of the family, but for its largest model.
  const bool odd = json["num_hidden_layers"].get<int64_t>() == odd_layers;
  const int64_t heads = std::max<int64_t>(json["num_attention_heads"].get<int64_t>(), 1);
  json["query_pre_attn_scalar"] =
      odd ? json["hidden_size"].get<int64_t>() / heads : json["head_dim"].get<int64_t>();
  for (const char* cap : {"attn_logit_softcapping", "final_logit_softcapping"})
    json[cap] = header.has(prefix + cap) ? Json(header.get_number(prefix + cap)) : Json();
  if (header.has(prefix + "attention.sliding_window"))
    json["sliding_window"] = header.get_int(prefix + "attention.sliding_window");
}

void gemma2(const GgufHeader& header, const std::string& prefix, Json& json) {
  gemma(header, prefix, json, 46);
}

void gemma3(const GgufHeader& header, const std::string& prefix, Json& json) {
  gemma(header, prefix, json, 62);
  json["sliding_window_pattern"] = header.get_int(prefix + "attention.sliding_window_pattern", 6);
  if (!header.has(prefix + "attention.sliding_window"))
    json["layer_types"] =
        std::vector<std::string>(json["num_hidden_layers"].get<size_t>(), "full_attention");
  const double local = header.get_number(prefix + "rope.freq_base_swa", 10000.0);
  json["rope_parameters"] = {{"full_attention", json["rope_parameters"]},
                             {"sliding_attention", {{"rope_theta", local}}}};
}

void gpt2(const GgufHeader& header, const std::string& prefix, Json& json) {
  for (const auto& [from, to] : {std::pair("hidden_size", "n_embd"),
                                 {"num_hidden_layers", "n_layer"},
                                 {"num_attention_heads", "n_head"},
                                 {"intermediate_size", "n_inner"},
                                 {"max_position_embeddings", "n_positions"}})
    json[to] = json[from];
  json["layer_norm_epsilon"] = header.get_number(prefix + "attention.layer_norm_epsilon");
}

void granite(const GgufHeader& header, const std::string& prefix, Json& json) {
  json["attention_multiplier"] = header.get_number(prefix + "attention.scale");
  json["embedding_multiplier"] = header.get_number(prefix + "embedding_scale", 1);
  json["residual_multiplier"] = header.get_number(prefix + "residual_scale", 1);
  json["logits_scaling"] = header.get_number(prefix + "logit_scale", 1);
}

void olmo(const GgufHeader& header, const std::string& prefix, Json& json) {
  if (header.has(prefix + "attention.clamp_kqv"))
    json["clip_qkv"] = header.get_number(prefix + "attention.clamp_kqv");
}

void olmoe(const GgufHeader& header, const std::string& prefix, Json& json) {
  json["num_experts"] = header.get_int(prefix + "expert_count");
  json["num_experts_per_tok"] = header.get_int(prefix + "expert_used_count");
}

void phi3(const GgufHeader& header, const std::string& prefix, Json& json) {
  const int64_t window = header.get_int(prefix + "attention.sliding_window", 0);
  if (window > 0) json["sliding_window"] = window;
}

void plain(const GgufHeader&, const std::string&, Json&) {}

// To add an architecture: a line here, and its tensor names in gguf_names.cpp.
struct Architecture {
  const char* name;
  const char* model_type;
  void (*add)(const GgufHeader& header, const std::string& prefix, Json& json);
};
constexpr Architecture kArchitectures[] = {
    {"gemma2", "gemma2", gemma2},    {"gemma3", "gemma3_text", gemma3}, {"gpt2", "gpt2", gpt2},
    {"granite", "granite", granite}, {"llama", "llama", plain},         {"llama", "mistral", plain},
    {"olmo", "olmo", olmo},          {"olmo2", "olmo2", plain},         {"olmoe", "olmoe", olmoe},
    {"phi3", "phi3", phi3},          {"qwen2", "qwen2", plain},         {"qwen3", "qwen3", plain},
    {"smollm3", "smollm3", plain}};

const Architecture& find_architecture(const std::string& name, const std::string& path) {
  for (const Architecture& architecture : kArchitectures)
    if (name == architecture.name) return architecture;
  throw Error(path + ": GGUF architecture '" + name + "' is not supported; known: " +
              list_names(gguf_architectures(), [](const std::string& name) { return name; }));
}

}  // namespace

Json gguf_config_json(const std::string& path) {
  const GgufHeader header = read_gguf_header(ReadFile(path));
  const Architecture& architecture =
      find_architecture(header.get_string("general.architecture"), path);
  const std::string prefix = architecture.name + std::string(".");
  check_num_layers(header.get_int(prefix + "block_count"), path);
  const int64_t heads = header.get_int(prefix + "attention.head_count");
  const int64_t hidden = header.get_int(prefix + "embedding_length");
  const int64_t head_dim =
      header.get_int(prefix + "attention.key_length", hidden / std::max<int64_t>(heads, 1));
  Json json = {{"model_type", architecture.model_type},
               {"hidden_size", hidden},
               {"intermediate_size", header.get_int(prefix + "feed_forward_length")},
               {"num_hidden_layers", header.get_int(prefix + "block_count")},
               {"num_attention_heads", heads},
               {"num_key_value_heads", header.get_int(prefix + "attention.head_count_kv", heads)},
               {"head_dim", head_dim},
               {"max_position_embeddings", header.get_int(prefix + "context_length", 2048)},
               {"rope_parameters", read_rope(header, prefix, head_dim)},
               {"tie_word_embeddings", true},
               {"dtype", "float32"},
               {"eos_token_id", read_ends(header)}};
  const std::string epsilon = prefix + "attention.layer_norm_rms_epsilon";
  if (header.has(epsilon)) json["rms_norm_eps"] = header.get_number(epsilon);
  if (header.has("tokenizer.ggml.bos_token_id"))
    json["bos_token_id"] = header.get_int("tokenizer.ggml.bos_token_id");
  for (const TensorInfo& info : header.tensors) {
    if (info.name == "output.weight") json["tie_word_embeddings"] = false;
    if (info.name == "token_embd.weight") json["vocab_size"] = info.shape[0];
    if (info.name == "blk.0.attn_q.bias") json["attention_bias"] = true;
    if (info.name == "blk.0.ffn_gate.bias") json["mlp_bias"] = true;
  }
  architecture.add(header, prefix, json);
  return json;
}

std::string gguf_architecture(const ModelFiles& files, const std::string& model_type) {
  if (!files.gguf.empty())
    return read_gguf_header(ReadFile(files.gguf)).get_string("general.architecture");
  for (const Architecture& architecture : kArchitectures)
    if (model_type == architecture.model_type) return architecture.name;
  throw Error(files.name + ": model_type '" + model_type + "' has no GGUF architecture here");
}

}  // namespace tptt
