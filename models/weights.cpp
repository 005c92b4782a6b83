#include "models/weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

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

// Interleaved rotary rows (0, D/2, 1, D/2+1, ...) back to the half-split order.
at::Tensor unpermute(const at::Tensor& x, int64_t heads) {
  auto shape = x.sizes().vec();
  std::vector<int64_t> split{heads, shape[0] / heads / 2, 2};
  split.insert(split.end(), shape.begin() + 1, shape.end());
  return x.view(split).transpose(1, 2).reshape(shape);
}

at::Tensor read_tensor(const WeightIndex& index, const WeightIndex::Entry& entry,
                       at::ScalarType dtype) {
  const TensorInfo& info = entry.info;
  std::vector<std::byte> bytes(info.nbytes);
  index.files[entry.file].read(info.offset, bytes.data(), bytes.size());
  at::Tensor x = at::empty(info.shape, at::TensorOptions().dtype(at::kFloat));
  to_float32(info.type, bytes.data(), info.numel(), x.mutable_data_ptr<float>());
  if (entry.permuted_heads) x = unpermute(x, entry.permuted_heads);
  return x.to(dtype);
}

bool is_integer(FileType type) {
  return type == FileType::I64 || type == FileType::I32 || type == FileType::I16 ||
         type == FileType::I8 || type == FileType::U8 || type == FileType::BOOL;
}

}  // namespace

void load_weights(CausalLM& model, const WeightIndex& index, at::ScalarType dtype,
                  at::Device device) {
  std::set<std::string> used;
  at::Tensor* embedding = nullptr;
  at::Tensor* head = nullptr;
  for (const BaseParameter& p : model.base_parameters()) {
    if (p.name == "model.embed_tokens.weight") embedding = p.tensor;
    if (p.name == "lm_head.weight") head = p.tensor;
    used.insert(p.name);
    if (p.tensor == head && model.config.tie_word_embeddings) continue;
    const auto found = index.entries.find(p.name);
    if (found == index.entries.end())
      throw Error(index.files.at(0).path() + ": tensor '" + p.name +
                  "' is missing; the file does not hold the model its config describes");
    const TensorInfo& info = found->second.info;
    const std::string where = index.files[found->second.file].path() + ": tensor '" + p.name + "' ";
    if (info.shape != p.shape)
      throw Error(where + "has shape " + shape_text(info.shape) + ", expected " +
                  shape_text(p.shape));
    if (is_integer(info.type))
      throw Error(where + "has type " + to_string(info.type) + ", expected floating point");
    *p.tensor = read_tensor(index, found->second, dtype).to(device);
  }
  if (model.config.tie_word_embeddings && head) *head = *embedding;
  for (const auto& [name, entry] : index.entries) {
    const bool derived = name.ends_with("rotary_emb.inv_freq");  // recomputed from the config
    if (!used.count(name) && !derived)
      throw Error(index.files[entry.file].path() + ": tensor '" + name + "' is not part of a " +
                  model.config.model_type + " model with this config");
  }
  model.set_device(device);
}

}  // namespace tptt
