#include "models/formats/gguf_lora.h"

#include <cstring>

#include "models/formats/error.h"
#include "models/formats/gguf_names.h"
#include "models/formats/gguf_writer.h"

namespace tptt {
namespace {

// One of the two tensors of an adapter.
struct Half {
  const GgufLora* lora;
  bool is_b;
  int64_t permuted_heads;  // 0: rows stay where they are
};

GgufName tensor_of(const GgufLora& lora, const std::string& architecture,
                   const std::string& where) {
  const auto found = gguf_tensor_name(architecture, lora.module + ".weight");
  if (!found)
    throw Error(where + "the architecture '" + architecture + "' has no such GGUF tensor");
  const bool ends = found->name == "token_embd.weight" || found->name == "output.weight";
  const bool linear = found->change != GgufChange::plus_one && found->expert < 0;
  if (ends || !linear || found->name.ends_with("_norm.weight"))
    throw Error(where + "llama.cpp applies no adapter to '" + found->name +
                "'; leave the module out of target_modules");
  return *found;
}

void check_sizes(const GgufLora& lora, int64_t heads, const std::string& where) {
  const auto holds = [](std::span<const float> values, int64_t rows, int64_t columns) {
    return rows > 0 && columns > 0 && int64_t(values.size()) / rows == columns &&
           int64_t(values.size()) % rows == 0;
  };
  if (!holds(lora.a, lora.rank, lora.in) || !holds(lora.b, lora.out, lora.rank))
    throw Error(where + "the sizes of A and B do not agree with rank, in and out");
  if (heads < 0 || (heads > 0 && lora.out % (2 * heads) != 0))
    throw Error(where + std::to_string(lora.out) + " rows are no even number for each of " +
                std::to_string(heads) + " heads");
}

std::vector<std::byte> bytes_of(const Half& half) {
  const GgufLora& lora = *half.lora;
  std::vector<float> values(lora.a.begin(), lora.a.end());
  if (half.is_b) {
    values.resize(lora.b.size());
    std::vector<int64_t> sources;
    if (half.permuted_heads) sources = permuted_rows(lora.out, half.permuted_heads);
    for (int64_t row = 0; row < lora.out; ++row) {
      const int64_t from = sources.empty() ? row : sources[size_t(row)];
      for (int64_t r = 0; r < lora.rank; ++r)
        values[size_t(row * lora.rank + r)] =
            float(lora.scale * double(lora.b[size_t(from * lora.rank + r)]));
    }
  }
  std::vector<std::byte> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

}  // namespace

void write_gguf_lora(const std::string& path, const GgufLoraBase& base,
                     const std::vector<GgufLora>& adapters) {
  std::vector<GgufTensor> tensors;
  std::vector<Half> halves;
  for (const GgufLora& lora : adapters) {
    const std::string where = path + ": LoRA module '" + lora.module + "': ";
    const GgufName name = tensor_of(lora, base.architecture, where);
    const int64_t heads = permuted_heads(name.change, base.query_heads, base.kv_heads);
    check_sizes(lora, heads, where);
    tensors.push_back({name.name + ".lora_a", FileType::F32, {lora.rank, lora.in}});
    halves.push_back({&lora, false, 0});
    tensors.push_back({name.name + ".lora_b", FileType::F32, {lora.out, lora.rank}});
    halves.push_back({&lora, true, heads});
  }
  const std::vector<GgufEntry> metadata = {
      {"general.architecture", GgufType::String, {}, base.architecture},
      {"general.type", GgufType::String, {}, std::string("adapter")},
      {"adapter.type", GgufType::String, {}, std::string("lora")},
      {"adapter.lora.alpha", GgufType::F32, {}, 0.0}};
  size_t next = 0;
  write_gguf(path, metadata, tensors, [&](const GgufTensor&) { return bytes_of(halves[next++]); });
}

}  // namespace tptt
