#include <algorithm>
#include <filesystem>

#include "models/formats/error.h"
#include "models/formats/gguf.h"
#include "models/formats/json.h"
#include "models/formats/model_files.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxSize = int64_t(1) << 24;  // any one dimension

void add_token_ids(const Json& json, const char* key, const std::string& where,
                   std::vector<int64_t>& ids) {
  if (!json.contains(key) || json[key].is_null()) return;
  const auto add = [&](int64_t id) {
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  };
  if (!json[key].is_array()) return add(json_int(json, key, where));
  for (const Json& id : json[key]) {
    if (!id.is_number_integer()) throw Error(where + ": key '" + key + "' must hold token ids");
    add(id.get<int64_t>());
  }
}

// config.json writes rope_theta and rope_scaling; Transformers 5 one object rope_parameters.
void read_rope(const Json& json, const std::string& where, ModelConfig& config) {
  config.rope_theta = json_number(json, "rope_theta", where, config.rope_theta);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!json.contains(key) || json[key].is_null()) continue;
    const Json& rope = json[key];
    const std::string inside = where + ": " + key;
    RopeScaling& s = config.rope_scaling;
    config.rope_theta = json_number(rope, "rope_theta", inside, config.rope_theta);
    s.rope_type =
        json_string(rope, "rope_type", inside, json_string(rope, "type", inside, "default"));
    s.factor = json_number(rope, "factor", inside, s.factor);
    s.low_freq_factor = json_number(rope, "low_freq_factor", inside, s.low_freq_factor);
    s.high_freq_factor = json_number(rope, "high_freq_factor", inside, s.high_freq_factor);
    s.original_max_position_embeddings =
        json_int(rope, "original_max_position_embeddings", inside, 0);
  }
}

ModelConfig from_json(const fs::path& dir) {
  const std::string where = (dir / "config.json").string();
  const Json json = read_json_file(where);
  ModelConfig c;
  c.model_type = json_string(json, "model_type", where);
  c.vocab_size = json_int(json, "vocab_size", where);
  c.hidden_size = json_int(json, "hidden_size", where);
  c.intermediate_size = json_int(json, "intermediate_size", where);
  c.num_hidden_layers = json_int(json, "num_hidden_layers", where);
  c.num_attention_heads = json_int(json, "num_attention_heads", where);
  c.num_key_value_heads = json_int(json, "num_key_value_heads", where, c.num_attention_heads);
  const int64_t heads = std::max<int64_t>(c.num_attention_heads, 1);
  c.head_dim = json_int(json, "head_dim", where, c.hidden_size / heads);
  c.max_position_embeddings = json_int(json, "max_position_embeddings", where, 2048);
  c.rms_norm_eps = json_number(json, "rms_norm_eps", where, 1e-6);
  c.hidden_act = json_string(json, "hidden_act", where, "silu");
  c.tie_word_embeddings = json_bool(json, "tie_word_embeddings", where, false);
  c.attention_bias = json_bool(json, "attention_bias", where, false);
  c.mlp_bias = json_bool(json, "mlp_bias", where, false);
  c.torch_dtype =
      json_string(json, "dtype", where, json_string(json, "torch_dtype", where, "float32"));
  c.bos_token_id = json_int(json, "bos_token_id", where, -1);
  read_rope(json, where, c);
  add_token_ids(json, "eos_token_id", where, c.eos_token_id);
  const fs::path generation = dir / "generation_config.json";
  if (fs::exists(generation))
    add_token_ids(read_json_file(generation), "eos_token_id", generation.string(), c.eos_token_id);
  return c;
}

std::vector<float> read_rope_factors(const ReadFile& file, const TensorInfo& info,
                                     int64_t head_dim) {
  const std::string where = file.path() + ": tensor '" + info.name + "'";
  if (info.type != FileType::F32 || info.numel() != head_dim / 2)
    throw Error(where + ": expected " + std::to_string(head_dim / 2) + " values of type F32");
  std::vector<float> factors(info.numel());
  file.read(info.offset, factors.data(), info.nbytes);
  for (const float factor : factors)
    if (!(factor > 0)) throw Error(where + ": factors must be above 0");
  return factors;
}

ModelConfig from_gguf(const std::string& path) {
  const ReadFile file(path);
  const GgufHeader header = read_gguf_header(file);
  ModelConfig c;
  c.model_type = header.get_string("general.architecture");
  if (c.model_type != "llama")
    throw Error(path + ": GGUF architecture '" + c.model_type + "' is not supported; known: llama");
  const auto key = [&](const char* name) { return c.model_type + "." + name; };
  c.hidden_size = header.get_int(key("embedding_length"));
  c.intermediate_size = header.get_int(key("feed_forward_length"));
  c.num_hidden_layers = header.get_int(key("block_count"));
  c.num_attention_heads = header.get_int(key("attention.head_count"));
  c.num_key_value_heads = header.get_int(key("attention.head_count_kv"), c.num_attention_heads);
  c.head_dim = header.get_int(key("attention.key_length"),
                              c.hidden_size / std::max<int64_t>(c.num_attention_heads, 1));
  c.max_position_embeddings = header.get_int(key("context_length"), 2048);
  c.rms_norm_eps = header.get_number(key("attention.layer_norm_rms_epsilon"));
  c.rope_theta = header.get_number(key("rope.freq_base"), 10000.0);
  c.rope_scaling.rope_type = header.get_string(key("rope.scaling.type"), "default");
  if (c.rope_scaling.rope_type == "none") c.rope_scaling.rope_type = "default";
  c.rope_scaling.factor = header.get_number(key("rope.scaling.factor"), 1.0);
  c.tie_word_embeddings = true;
  for (const TensorInfo& info : header.tensors) {
    if (info.name == "output.weight") c.tie_word_embeddings = false;
    if (info.name == "token_embd.weight") c.vocab_size = info.shape[0];
    if (info.name == kGgufRopeFactors)
      c.rope_scaling.freq_factors = read_rope_factors(file, info, c.head_dim);
    if (info.name == "blk.0.attn_q.bias") c.attention_bias = true;
    if (info.name == "blk.0.ffn_gate.bias") c.mlp_bias = true;
  }
  c.torch_dtype = "float32";
  c.bos_token_id = header.get_int("tokenizer.ggml.bos_token_id", -1);
  for (const char* name : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    const int64_t id = header.get_int(name, -1);
    if (id >= 0 &&
        std::find(c.eos_token_id.begin(), c.eos_token_id.end(), id) == c.eos_token_id.end())
      c.eos_token_id.push_back(id);
  }
  return c;
}

void check_size(const std::string& where, const char* key, int64_t value, int64_t limit) {
  if (value < 1 || value > limit)
    throw Error(where + ": " + key + " must be from 1 to " + std::to_string(limit) + ", got " +
                std::to_string(value));
}

void validate(const ModelConfig& c, const std::string& where) {
  check_size(where, "vocab_size", c.vocab_size, kMaxSize);
  check_size(where, "hidden_size", c.hidden_size, kMaxSize);
  check_size(where, "intermediate_size", c.intermediate_size, kMaxSize);
  check_size(where, "num_hidden_layers", c.num_hidden_layers, 4096);
  check_size(where, "num_attention_heads", c.num_attention_heads, 4096);
  check_size(where, "num_key_value_heads", c.num_key_value_heads, c.num_attention_heads);
  check_size(where, "head_dim", c.head_dim, 65536);
  if (c.num_attention_heads % c.num_key_value_heads != 0)
    throw Error(where + ": num_attention_heads must be a multiple of num_key_value_heads");
  if (c.head_dim % 2 != 0) throw Error(where + ": head_dim must be even for RoPE");
  if (c.hidden_act != "silu")
    throw Error(where + ": hidden_act '" + c.hidden_act + "' is not supported; known: silu");
  const RopeScaling& s = c.rope_scaling;
  if (s.rope_type != "default" && s.rope_type != "linear" && s.rope_type != "llama3")
    throw Error(where + ": rope_type '" + s.rope_type +
                "' is not supported; known: default, linear, llama3");
  if (!(c.rope_theta > 0) || !(s.factor > 0) || !(c.rms_norm_eps >= 0))
    throw Error(where + ": rope_theta and factor must be above 0, rms_norm_eps not below");
  if (s.rope_type == "llama3" &&
      (s.original_max_position_embeddings < 1 || s.high_freq_factor <= s.low_freq_factor ||
       s.low_freq_factor <= 0))
    throw Error(where +
                ": rope_type llama3 needs original_max_position_embeddings and "
                "0 < low_freq_factor < high_freq_factor");
  for (const int64_t id : c.eos_token_id)
    if (id < 0 || id >= c.vocab_size)
      throw Error(where + ": eos_token_id is outside the vocabulary");
}

}  // namespace

ModelConfig read_model_config(const ModelFiles& files) {
  ModelConfig config = files.gguf.empty() ? from_json(files.dir) : from_gguf(files.gguf);
  validate(config, files.gguf.empty() ? files.dir + "/config.json" : files.gguf);
  return config;
}

}  // namespace tptt
