#include "models/formats/weight_index.h"

#include <filesystem>
#include <set>

#include "models/formats/checked.h"
#include "models/formats/gguf.h"
#include "models/formats/json.h"
#include "models/formats/safetensors.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kEntryBytes = 512;  // an entry of the index in memory, about

void add_safetensors(WeightIndex& index, const std::string& path) {
  index.files.emplace_back(path);
  const int file = int(index.files.size()) - 1;
  for (TensorInfo& info : read_safetensors_header(index.files[file]).tensors) {
    const std::string name = info.name;
    if (!index.entries.emplace(name, WeightIndex::Entry{file, std::move(info)}).second)
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

bool is_configuration(const std::string& name) {
  return name == kGgufRopeFactors || name == kGgufLongFactors || name == kGgufShortFactors;
}

// All experts of a layer lie in one tensor [experts, out, in]: an entry for each.
void add_experts(WeightIndex& index, const TensorInfo& info, const std::string& pattern,
                 MemoryBudget& budget) {
  const std::string where = index.files[0].path() + ": tensor '" + info.name + "'";
  if (info.shape.size() != 3 || info.shape[0] < 1 || info.nbytes % uint64_t(info.shape[0]) != 0)
    throw Error(where + ": expected the experts of a layer, one [out, in] each");
  budget.take(uint64_t(info.shape[0]), kEntryBytes);
  for (int64_t i = 0; i < info.shape[0]; ++i) {
    TensorInfo one = info;
    one.shape.erase(one.shape.begin());
    one.nbytes = info.nbytes / uint64_t(info.shape[0]);
    one.offset = info.offset + uint64_t(i) * one.nbytes;
    one.name = expert_name(pattern, i);
    const std::string name = one.name;
    index.entries.emplace(name, WeightIndex::Entry{0, std::move(one)});
  }
}

// As permuted_rows needs it.
void check_permuted(const WeightIndex::Entry& entry, const std::string& path) {
  const int64_t heads = entry.permuted_heads;
  if (heads == 0) return;
  if (heads < 0 || heads > INT64_MAX / 2 || entry.info.shape[0] % (2 * heads) != 0)
    throw Error(path + ": tensor '" + entry.info.name +
                "': " + std::to_string(entry.info.shape[0]) +
                " rows are no even number for each of " + std::to_string(heads) + " heads");
}

}  // namespace

bool is_pickle(const fs::path& path) {
  const std::string ending = path.extension().string();
  return ending == ".bin" || ending == ".pt" || ending == ".pth" || ending == ".ckpt";
}

std::string pickle_advice() {
  return "pickle files (.bin, .pt) can run code and are not read: load the model in Transformers "
         "and save_pretrained(DIR)";
}

WeightIndex index_safetensors_dir(const std::string& dir) {
  const fs::path root(dir);
  if (fs::exists(root / "model.safetensors.index.json"))
    return index_sharded(root / "model.safetensors.index.json");
  if (!fs::exists(root / "model.safetensors")) {
    bool pickle = false;
    for (const auto& entry : fs::directory_iterator(root)) pickle |= is_pickle(entry.path());
    throw Error(dir + ": model.safetensors is missing" + (pickle ? "; " + pickle_advice() : ""));
  }
  WeightIndex index;
  add_safetensors(index, (root / "model.safetensors").string());
  return index;
}

WeightIndex index_gguf(const std::string& path) {
  WeightIndex index;
  index.files.emplace_back(path);
  const GgufHeader header = read_gguf_header(index.files[0]);
  MemoryBudget budget(index.files[0].size(), path);
  const std::string architecture = header.get_string("general.architecture");
  const int64_t heads = header.get_int(architecture + ".attention.head_count");
  const int64_t kv_heads = header.get_int(architecture + ".attention.head_count_kv", heads);
  for (const TensorInfo& info : header.tensors) {
    if (is_configuration(info.name)) continue;
    const auto name = hf_tensor_name(architecture, info.name);
    if (!name)
      throw Error(path + ": tensor '" + info.name + "' of architecture '" + architecture +
                  "' is not supported");
    if (name->change == GgufChange::stacked_experts) {
      add_experts(index, info, name->name, budget);
      continue;
    }
    WeightIndex::Entry entry{0, info, name->change};
    entry.info.name = name->name;
    entry.permuted_heads = permuted_heads(name->change, heads, kv_heads);
    check_permuted(entry, path);
    index.entries.emplace(name->name, std::move(entry));
  }
  return index;
}

}  // namespace tptt
