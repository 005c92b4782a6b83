#include "models/formats/weight_index.h"

#include <filesystem>
#include <set>

#include "models/formats/error.h"
#include "models/formats/gguf.h"
#include "models/formats/json.h"
#include "models/formats/safetensors.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

void add_safetensors(WeightIndex& index, const std::string& path) {
  index.files.emplace_back(path);
  const int file = int(index.files.size()) - 1;
  for (TensorInfo& info : read_safetensors_header(index.files[file]).tensors) {
    const std::string name = info.name;
    if (!index.entries.emplace(name, WeightIndex::Entry{file, std::move(info), 0}).second)
      throw Error(path + ": tensor '" + name + "' is also in another file of this model");
  }
}

// Opens each shard once; what the map says must be what the shards hold.
WeightIndex index_sharded(const fs::path& map_file) {
  const std::string where = map_file.string();
  const Json json = read_json_file(map_file);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object() ||
      json["weight_map"].empty())
    throw Error(where + ": key 'weight_map' must be an object of file names");
  const Json& map = json["weight_map"];
  std::set<std::string> shards;
  for (const auto& [tensor, unused] : map.items()) {
    const std::string shard = json_string(map, tensor, where);
    if (shard.empty() || shard == "." || shard == ".." ||
        shard.find_first_of(std::string("/\\\0", 3)) != std::string::npos)
      throw Error(where + ": '" + shard + "' must be a file name inside the model's directory");
    shards.insert(shard);
  }
  WeightIndex index;
  for (const std::string& shard : shards)
    add_safetensors(index, (map_file.parent_path() / shard).string());
  for (const auto& [tensor, unused] : map.items()) {
    const auto entry = index.entries.find(tensor);
    const std::string shard = json_string(map, tensor, where);
    if (entry == index.entries.end() ||
        fs::path(index.files[entry->second.file].path()).filename() != shard)
      throw Error(where + ": tensor '" + tensor + "' is not in '" + shard + "'");
  }
  for (const auto& [tensor, entry] : index.entries)
    if (!map.contains(tensor)) throw Error(where + ": tensor '" + tensor + "' is not in the map");
  return index;
}

struct NamePair {
  const char* gguf;
  const char* hugging_face;
};

constexpr NamePair kTop[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};
constexpr NamePair kLayer[] = {
    {"attn_q", "self_attn.q_proj"},          {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},          {"attn_output", "self_attn.o_proj"},
    {"ffn_gate", "mlp.gate_proj"},           {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},           {"attn_norm", "input_layernorm"},
    {"ffn_norm", "post_attention_layernorm"}};

// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight"; empty when not known.
std::string hugging_face_name(const std::string& name, std::string* module) {
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return "";
  const std::string suffix = name.substr(dot);
  if (suffix != ".weight" && suffix != ".bias") return "";
  std::string stem = name.substr(0, dot);
  for (const NamePair& pair : kTop)
    if (stem == pair.gguf) return pair.hugging_face + suffix;
  const size_t end = stem.find('.', 4);
  if (!stem.starts_with("blk.") || end == std::string::npos) return "";
  *module = stem.substr(end + 1);
  for (const NamePair& pair : kLayer)
    if (*module == pair.gguf)
      return "model.layers." + stem.substr(4, end - 4) + "." + pair.hugging_face + suffix;
  return "";
}

}  // namespace

WeightIndex index_safetensors_dir(const std::string& dir) {
  const fs::path root(dir);
  if (fs::exists(root / "model.safetensors.index.json"))
    return index_sharded(root / "model.safetensors.index.json");
  if (!fs::exists(root / "model.safetensors")) {
    const bool pickle =
        fs::exists(root / "pytorch_model.bin") || fs::exists(root / "pytorch_model.bin.index.json");
    throw Error(dir + ": model.safetensors is missing" +
                (pickle ? "; pickle files (.bin) can run code and are not read: load the model in "
                          "Transformers and save_pretrained(..., safe_serialization=True)"
                        : ""));
  }
  WeightIndex index;
  add_safetensors(index, (root / "model.safetensors").string());
  return index;
}

WeightIndex index_gguf(const std::string& path) {
  WeightIndex index;
  index.files.emplace_back(path);
  const GgufHeader header = read_gguf_header(index.files[0]);
  const std::string architecture = header.get_string("general.architecture");
  const bool permuted = architecture == "llama";
  const int64_t heads = permuted ? header.get_int("llama.attention.head_count") : 0;
  const int64_t kv_heads = permuted ? header.get_int("llama.attention.head_count_kv", heads) : 0;
  for (const TensorInfo& info : header.tensors) {
    if (info.name == kGgufRopeFactors) continue;  // part of the configuration
    std::string module;
    const std::string name = hugging_face_name(info.name, &module);
    if (name.empty())
      throw Error(path + ": tensor '" + info.name + "' of architecture '" + architecture +
                  "' is not supported");
    const int64_t permuted_heads = !permuted            ? 0
                                   : module == "attn_q" ? heads
                                   : module == "attn_k" ? kv_heads
                                                        : 0;
    TensorInfo renamed = info;
    renamed.name = name;
    index.entries.emplace(name, WeightIndex::Entry{0, std::move(renamed), permuted_heads});
  }
  return index;
}

}  // namespace tptt
