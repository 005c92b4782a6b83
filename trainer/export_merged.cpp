#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>

#include "models/formats/error.h"
#include "models/formats/gguf.h"
#include "models/formats/gguf_writer.h"
#include "models/formats/quant.h"
#include "models/formats/safetensors.h"
#include "models/lora.h"
#include "models/registry.h"
#include "models/weights.h"
#include "trainer/adapter.h"
#include "trainer/export_job.h"
#include "trainer/log.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

/// What the adapter makes of each weight [out, in], by the weight's name in the base's files.
class Merger {
 public:
  Merger(CausalLM& model, const WeightIndex& index) {
    if (model.config.tie_word_embeddings && adapts_ends(model))
      throw UsageError(
          "--format merged: the adapter changes the embedding or the output head, which are one "
          "tensor here; merging it would change both");
    const auto add = [&](const std::string& module, const char* what, MakeWeight make) {
      const std::string name = stored_name(model.config, index, module + what);
      if (!index.entries.count(name))
        throw Error(index.files.at(0).path() + ": tensor '" + module + what +
                    "' is missing, and the adapter changes it; is this its base model?");
      changed_[name] = std::move(make);
    };
    for (const Linear* linear : model.linears()) {
      if (linear->trained)
        add(linear->name, ".weight", [linear](const at::Tensor&) { return linear->weight.dense; });
      if (linear->trained && linear->has_bias)
        add(linear->name, ".bias", [linear](const at::Tensor&) { return linear->bias; });
      if (linear->lora)
        add(linear->name, ".weight",
            [linear](const at::Tensor& w) { return merged_weight(w, *linear->lora); });
    }
    const Embedding& e = model.embedding();
    if (e.trained) add(e.name, ".weight", [&e](const at::Tensor&) { return e.weight.dense; });
    if (e.lora)
      add(e.name, ".weight", [&e](const at::Tensor& w) {
        return w + at::mm(e.lora->b, e.lora->a).t() * e.lora->scaling;
      });
  }

  bool changes(const std::string& name) const { return changed_.count(name) > 0; }

  /// `weight` float32; `where` is for the message when it has another shape than the adapter's.
  at::Tensor merged(const std::string& name, const at::Tensor& weight,
                    const std::string& where) const {
    try {
      const at::Tensor merged = changed_.at(name)(weight);
      if (merged.sizes() == weight.sizes()) return merged.detach();
    } catch (const c10::Error&) {  // sizes that do not fit
    }
    throw Error(where + " has another shape than the adapter's module; is this its base model?");
  }

 private:
  using MakeWeight = std::function<at::Tensor(const at::Tensor&)>;
  std::map<std::string, MakeWeight> changed_;
};

at::ScalarType scalar_type(FileType type) {
  return type == FileType::F64    ? at::kDouble
         : type == FileType::F16  ? at::kHalf
         : type == FileType::BF16 ? at::kBFloat16
                                  : at::kFloat;
}

void merge_safetensors(const ReadFile& file, const std::string& to, const ModelConfig& config,
                       const std::string& embedding, const Merger& merger) {
  const SafetensorsHeader header = read_safetensors_header(file);
  write_safetensors(to, header.tensors, header.metadata, [&](const TensorInfo& info) {
    std::vector<std::byte> bytes = read_bytes(file, info);
    if (!merger.changes(info.name)) return bytes;
    const bool turned = config.conv1d && info.shape.size() == 2 && info.name != embedding &&
                        !info.name.starts_with(config.lm_head);
    const at::Tensor stored = read_float_tensor(file, info);
    const at::Tensor whole = merger.merged(info.name, turned ? stored.t() : stored,
                                           file.path() + ": tensor '" + info.name + "'");
    const at::Tensor merged = (turned ? whole.t() : whole).to(scalar_type(info.type)).contiguous();
    std::memcpy(bytes.data(), merged.const_data_ptr(), bytes.size());
    return bytes;
  });
}

// Configuration, tokenizer and licence: all that a model needs besides its weights.
void copy_companions(const fs::path& from, const fs::path& to) {
  for (const auto& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename().string(),
                      ending = entry.path().extension().string();
    bool wanted = name.starts_with("LICENSE") || name.starts_with("NOTICE");
    for (const char* known : {".json", ".jinja", ".model", ".txt", ".py"})
      wanted |= ending == known;
    if (wanted && fs::is_regular_file(entry.path())) fs::copy_file(entry.path(), to / name);
  }
}

void merge_dir(const ModelFiles& base, const ModelConfig& config, const Merger& merger,
               const fs::path& to) {
  const WeightIndex index = index_weights(base);
  const std::string embedding = stored_name(config, index, config.embed_tokens + ".weight");
  for (const ReadFile& file : index.files) {
    const fs::path name = fs::path(file.path()).filename();
    log_info("merging " + name.string());
    merge_safetensors(file, (to / name).string(), config, embedding, merger);
  }
  copy_companions(base.dir, to);
}

// A GGUF tensor with the adapter in it, in its own order.
at::Tensor merged_gguf(const GgufHeader& header, const TensorInfo& info, at::Tensor x,
                       const Merger& merger) {
  const std::string architecture = header.get_string("general.architecture");
  const std::string where = header.path + ": tensor '" + info.name + "'";
  const auto name = hf_tensor_name(architecture, info.name);
  if (!name) return x;
  if (name->change == GgufChange::stacked_experts) {
    for (int64_t i = 0; i < info.shape[0]; ++i)
      if (const std::string expert = expert_name(name->name, i); merger.changes(expert))
        x[i].copy_(merger.merged(expert, x[i], where));
    return x;
  }
  if (!merger.changes(name->name)) return x;
  const int64_t q_heads = header.get_int(architecture + ".attention.head_count");
  const int64_t heads = permuted_heads(
      name->change, q_heads, header.get_int(architecture + ".attention.head_count_kv", q_heads));
  if (heads == 0) return merger.merged(name->name, x, where);
  const at::Tensor rows = at::tensor(permuted_rows(x.size(0), heads));
  const at::Tensor turned = at::empty_like(x).index_copy_(0, rows, x);
  return merger.merged(name->name, turned, where).index_select(0, rows);
}

// Matrices become `wanted`; vectors, factors, routers and positions stay, and rows that do not
// divide into blocks keep a float type, as llama.cpp's own quantiser does.
FileType merged_type(const TensorInfo& info, FileType wanted) {
  if (info.shape.size() < 2 || info.name.ends_with("ffn_gate_inp.weight") ||
      info.name == "position_embd.weight")
    return FileType::F32;
  return info.shape.back() % 32 == 0 ? wanted : FileType::F16;
}

void merge_gguf(const ModelFiles& base, const std::string& outtype, const Merger& merger,
                const std::string& to) {
  const ReadFile file(base.gguf);
  const GgufHeader header = read_gguf_header(file);
  const FileType wanted = outtype == "q8_0" ? FileType::Q8_0 : FileType::F16;
  std::vector<GgufEntry> metadata = header.entries();
  for (GgufEntry& entry : metadata)
    if (entry.key == "general.file_type") entry.value = int64_t(wanted == FileType::Q8_0 ? 7 : 1);
  std::vector<GgufTensor> tensors;
  std::map<std::string, const TensorInfo*> sources;
  for (const TensorInfo& info : header.tensors) {
    tensors.push_back({info.name, merged_type(info, wanted), info.shape});
    sources[info.name] = &info;
  }
  log_info("merging into " + std::to_string(tensors.size()) + " tensors of type " +
           to_string(wanted));
  write_gguf(to, metadata, tensors, [&](const GgufTensor& tensor) {
    const TensorInfo& info = *sources.at(tensor.name);
    const at::Tensor x = merged_gguf(header, info, read_float_tensor(file, info), merger);
    if (tensor.type == FileType::F16 && !(x.abs().max().item<float>() < 65520))
      throw Error(to + ": tensor '" + tensor.name + "' has values beyond F16's 65504");
    std::vector<std::byte> bytes(tensor_nbytes(tensor.type, tensor.shape, to));
    from_float32(tensor.type, x.contiguous().const_data_ptr<float>(), x.numel(), bytes.data(),
                 to + ": tensor '" + tensor.name + "'");
    return bytes;
  });
}

at::Tensor sample_logits(const CausalLM& model) {
  const int64_t count = std::min<int64_t>(64, model.config.max_position_embeddings);
  const at::Tensor ids =
      (at::arange(count, at::kLong) * 7919 + 13).remainder(model.config.vocab_size);
  return model.logits(model.hidden(ids, model.context({count}))).to(at::kFloat);
}

void compare_logits(const ExportJob& job, const ModelFiles& base, const ModelFiles& merged) {
  at::Tensor before;
  {
    const auto model = load_causal_lm(base, at::kFloat, at::kCPU);
    add_lora(*model, job.config.lora, 0);
    load_adapter_weights(*model, job.adapter, false);
    before = sample_logits(*model);
  }
  const at::Tensor after = sample_logits(*load_causal_lm(merged, at::kFloat, at::kCPU));
  std::printf(
      "logits of base + adapter and of the merged model: max abs difference %.3g, "
      "largest logit %.3g\n",
      (after - before).abs().max().item<double>(), before.abs().max().item<double>());
}

}  // namespace

void export_merged(const ExportJob& job, const std::string& to) {
  refuse_liza(job);
  const ModelFiles base = find_base(job);
  if (base.gguf.empty() && !job.flags.outtype.empty())
    throw UsageError("--outtype: the base is no GGUF file; the merged model keeps its types");
  const std::string outtype = job.flags.outtype.empty() ? "f16" : job.flags.outtype;
  if (outtype != "f16" && outtype != "q8_0")
    throw UsageError("--outtype '" + outtype + "': expected f16 or q8_0");
  const c10::AutoGradMode no_grad(false);
  const auto model = lora_alone(job, base);
  const Merger merger(*model, index_weights(base));
  ModelFiles merged = base;
  if (base.gguf.empty()) {
    merge_dir(base, model->config, merger, to);
    merged.dir = to;
  } else {
    merge_gguf(base, outtype, merger, to);
    merged.gguf = to;
  }
  try {
    compare_logits(job, base, merged);
  } catch (const std::exception&) {  // both models as float32 may not fit into memory
    log_warning("the merged model is written, but its logits could not be compared");
  }
}

}  // namespace tptt
