#include <algorithm>
#include <cmath>
#include <filesystem>

#include "models/families/family.h"
#include "models/formats/error.h"
#include "models/formats/gguf_config.h"
#include "models/formats/model_files.h"
#include "models/formats/names.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

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

void check_attention(const AttentionConfig& a, const std::string& where) {
  check_size(where, "num_attention_heads", a.num_attention_heads, 4096);
  check_size(where, "num_key_value_heads", a.num_key_value_heads, a.num_attention_heads);
  check_size(where, "head_dim", a.head_dim, 65536);
  if (a.num_attention_heads % a.num_key_value_heads != 0)
    throw Error(where + ": num_attention_heads must be a multiple of num_key_value_heads");
}

void check_mlp(const MlpConfig& m, const std::string& where) {
  check_size(where, "intermediate_size", m.intermediate_size, kMaxSize);
  if (std::find(std::begin(kActivations), std::end(kActivations), m.hidden_act) ==
      std::end(kActivations))
    throw Error(where + ": hidden_act '" + m.hidden_act + "' is not supported; known: " +
                list_names(kActivations, [](const char* name) { return name; }));
  if (m.num_experts == 0) return;
  check_size(where, "num_experts", m.num_experts, 4096);
  check_size(where, "num_experts_per_tok", m.num_experts_per_tok, m.num_experts);
}

void validate(const ModelConfig& c, const std::string& where) {
  check_size(where, "vocab_size", c.vocab_size, kMaxSize);
  check_size(where, "hidden_size", c.hidden_size, kMaxSize);
  check_size(where, "max_position_embeddings", c.max_position_embeddings, int64_t(1) << 40);
  for (const LayerConfig& layer : c.layers) {
    check_attention(layer.attention, where);
    check_mlp(layer.mlp, where);
  }
  const int64_t experts = c.layers.front().mlp.num_experts;
  check_size(where, "num_hidden_layers * num_experts",
             c.num_hidden_layers * std::max<int64_t>(experts, 1), 1 << 17);
  if (!(c.norm.eps >= 0)) throw Error(where + ": rms_norm_eps must not be below 0");
  if (!(c.logits_scaling > 0)) throw Error(where + ": logits_scaling must be above 0");
  for (const int64_t id : c.eos_token_id)
    if (id < 0 || id >= c.vocab_size)
      throw Error(where + ": eos_token_id is outside the vocabulary");
}

// Weights that are packed by a method of its own are no tensors of the model.
void refuse_quantized(const ConfigReader& json) {
  if (!json.has("quantization_config")) return;
  const std::string method = json.object("quantization_config").string("quant_method", "unnamed");
  throw Error(json.where() + ": quantization_config '" + method +
              "' is not supported; take the unquantised model or a GGUF file");
}

}  // namespace

Json read_config_json(const ModelFiles& files) {
  return files.gguf.empty() ? read_json_file(fs::path(files.dir) / "config.json")
                            : gguf_config_json(files.gguf);
}

ModelConfig read_model_config(const ModelFiles& files) {
  const std::string where =
      files.gguf.empty() ? (fs::path(files.dir) / "config.json").string() : files.gguf;
  const Json json = read_config_json(files);
  if (!json.is_object()) throw Error(where + ": expected a JSON object");
  const ConfigReader reader(json, where);
  refuse_quantized(reader);
  const Family& family = find_family(json_string(json, "model_type", where), where);
  ModelConfig c = family.read(reader);
  c.model_type = family.model_type;
  for (LayerConfig& layer : c.layers)
    if (layer.attention.scaling == 0 && layer.attention.head_dim > 0)
      layer.attention.scaling = 1 / std::sqrt(double(layer.attention.head_dim));
  c.torch_dtype = reader.string("dtype", reader.string("torch_dtype", "float32"));
  c.bos_token_id = reader.integer("bos_token_id", -1);
  add_token_ids(json, "eos_token_id", where, c.eos_token_id);
  const fs::path generation = fs::path(files.dir) / "generation_config.json";
  if (!files.dir.empty() && fs::exists(generation))
    add_token_ids(read_json_file(generation), "eos_token_id", generation.string(), c.eos_token_id);
  validate(c, where);
  return c;
}

}  // namespace tptt
