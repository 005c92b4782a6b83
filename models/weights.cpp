#include "models/weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "models/formats/dequant.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

at::Tensor read_tensor(const WeightIndex& index, const WeightIndex::Entry& entry,
                       at::ScalarType dtype) {
  at::Tensor x = read_float_tensor(index.files[entry.file], entry.info);
  if (entry.permuted_heads)
    x = at::empty_like(x).index_copy_(0, at::tensor(permuted_rows(x.size(0), entry.permuted_heads)),
                                      x);
  if (entry.change == GgufChange::plus_one) x.sub_(1);
  return x.to(dtype);
}

// Recomputed from the config, or the causal mask as a tensor (GPT-2).
bool is_derived(const std::string& name) {
  return name.ends_with("rotary_emb.inv_freq") || name.ends_with(".attn.bias") ||
         name.ends_with(".attn.masked_bias");
}

// The file's tensor lies the other way round than the parameter.
bool is_transposed(const WeightIndex::Entry& entry, const BaseParameter& p) {
  return p.transposed && entry.change != GgufChange::transposed;
}

void check_parameter(const WeightIndex& index, const WeightIndex::Entry& entry,
                     const BaseParameter& p) {
  const TensorInfo& info = entry.info;
  const std::string where = index.files[entry.file].path() + ": tensor '" + p.name + "' ";
  std::vector<int64_t> expected = p.shape;
  if (is_transposed(entry, p)) std::reverse(expected.begin(), expected.end());
  if (info.shape != expected)
    throw Error(where + "has shape " + shape_text(info.shape) + ", expected " +
                shape_text(expected));
  if (!info_of(info.type).to_float32)
    throw Error(where + "has type " + to_string(info.type) + ", expected floating point");
}

at::Tensor read_parameter(const WeightIndex& index, const WeightIndex::Entry& entry,
                          const BaseParameter& p, at::ScalarType dtype) {
  const at::Tensor x = read_tensor(index, entry, dtype);
  return is_transposed(entry, p) ? x.t().contiguous() : x;
}

// ggml's blocks whose values are the weight's, row by row.
bool may_stay_packed(const WeightIndex::Entry& entry) {
  const FileTypeInfo& type = info_of(entry.info.type);
  return type.block > 1 && entry.info.shape.size() == 2 && entry.change != GgufChange::plus_one;
}

FrozenWeight read_blocks(const WeightIndex& index, const WeightIndex::Entry& entry) {
  const FileTypeInfo& type = info_of(entry.info.type);
  const int64_t rows = entry.info.shape[0], in = entry.info.shape[1];
  const std::vector<std::byte> bytes = read_bytes(index.files[entry.file], entry.info);
  at::Tensor blocks = at::empty({rows, in / type.block * type.block_bytes}, at::kByte);
  std::memcpy(blocks.mutable_data_ptr<uint8_t>(), bytes.data(), bytes.size());
  if (entry.permuted_heads)
    blocks = at::empty_like(blocks).index_copy_(
        0, at::tensor(permuted_rows(rows, entry.permuted_heads)), blocks);
  return {{}, blocks, type.type, in};
}

}  // namespace

at::Tensor read_float_tensor(const ReadFile& file, const TensorInfo& info) {
  at::Tensor x = at::empty(info.shape, at::kFloat);
  to_float32(info.type, read_bytes(file, info).data(), info.numel(), x.mutable_data_ptr<float>());
  return x;
}

std::string stored_name(const ModelConfig& config, const WeightIndex& index,
                        const std::string& name) {
  const std::string& embedding = config.embed_tokens;
  const std::string prefix = embedding.substr(0, embedding.find('.') + 1);
  const bool bare = index.entries.count(embedding.substr(prefix.size()) + ".weight") > 0;
  return bare && name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

void load_weights(CausalLM& model, const WeightIndex& index, at::ScalarType dtype,
                  at::Device device, bool keep_packed) {
  const ModelConfig& config = model.config;
  std::set<std::string> used;
  FrozenWeight* embedding = nullptr;
  FrozenWeight* head = nullptr;
  for (const BaseParameter& p : model.base_parameters()) {
    if (p.name == config.embed_tokens + ".weight") embedding = p.weight;
    if (p.name == config.lm_head + ".weight") head = p.weight;
    const std::string name = stored_name(config, index, p.name);
    used.insert(name);
    if (p.weight && p.weight == head && config.tie_word_embeddings) continue;
    const auto found = index.entries.find(name);
    if (found == index.entries.end())
      throw Error(index.files.at(0).path() + ": tensor '" + name +
                  "' is missing; the file does not hold the model its config describes");
    check_parameter(index, found->second, p);
    if (keep_packed && p.weight && may_stay_packed(found->second)) {
      *p.weight = read_blocks(index, found->second);
    } else {
      *p.tensor = read_parameter(index, found->second, p, dtype).to(device);
    }
  }
  if (config.tie_word_embeddings) *head = *embedding;
  for (const auto& [name, entry] : index.entries)
    if (!used.count(name) && !is_derived(name))
      throw Error(index.files[entry.file].path() + ": tensor '" + name + "' is not part of a " +
                  config.model_type + " model with this config");
  model.set_device(device, dtype);
}

}  // namespace tptt
