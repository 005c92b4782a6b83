#include <filesystem>

#include "models/formats/atomic_file.h"
#include "models/formats/error.h"
#include "models/formats/gguf.h"
#include "models/formats/gguf_config.h"
#include "models/formats/gguf_lora.h"
#include "models/formats/safetensors.h"
#include "models/liza/inject.h"
#include "trainer/export_job.h"
#include "trainer/tptt_adapter.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

// Modules with a memory, by their names in the base model.
std::vector<std::string> attention_names(const ModelFiles& base, const LizaConfig& liza) {
  CausalLM model(read_model_config(base));
  inject_liza(model, liza);
  std::vector<std::string> names;
  for (const Attention* attention : model.attentions())
    if (attention->liza) names.push_back(attention->name);
  return names;
}

}  // namespace

void export_tptt(const ExportJob& job, const std::string& to) {
  if (job.config.lora.use_dora || !job.config.lora.modules_to_save.empty())
    throw UsageError(
        "--format tptt: the package loads LoRA's A and B alone, no lora.use_dora and no "
        "lora.modules_to_save");
  const ModelFiles base = find_base(job);
  std::vector<std::string> attentions;
  if (job.config.liza) attentions = attention_names(base, *job.config.liza);
  const fs::path from(job.adapter), target(to);
  write_file_atomic((target / "config.json").string(),
                    tptt_config_json(job.config, base, attentions));
  write_file_atomic((target / "README.md").string(), tptt_readme());
  copy_tensors((from / "adapter_model.safetensors").string(),
               (target / "adapter_model.safetensors").string(),
               [&](const std::string& name) { return tptt_name_of_peft(name, attentions); });
}

void export_gguf_lora(const ExportJob& job, const std::string& to) {
  refuse_liza(job);
  if (job.config.lora.use_dora)
    throw UsageError(
        "--format gguf-lora: llama.cpp knows no DoRA (lora.use_dora); merge the adapter "
        "with --format merged");
  const ModelFiles base = find_base(job);
  const auto model = lora_alone(job, base);
  const AttentionConfig& attention = model->attention(0).config;
  GgufLoraBase gguf;
  gguf.architecture = gguf_architecture(base, model->config.model_type);
  gguf.query_heads = attention.num_attention_heads;
  gguf.kv_heads = attention.num_key_value_heads;
  if (!job.config.lora.modules_to_save.empty() || model->embedding().lora)
    throw UsageError(
        "--format gguf-lora: llama.cpp's adapters hold LoRA of Linears alone, no modules_to_save "
        "and no embedding; merge the adapter with --format merged");
  std::vector<GgufLora> adapters;
  const auto span = [](const at::Tensor& x) {
    return std::span<const float>(x.const_data_ptr<float>(), size_t(x.numel()));
  };
  for (const Linear* linear : model->linears()) {
    if (!linear->lora) continue;
    const Lora& lora = *linear->lora;
    adapters.push_back({linear->name, lora.a.size(0), linear->in, linear->out, span(lora.a),
                        span(lora.b), lora.scaling});
  }
  write_gguf_lora(to, gguf, adapters);
}

}  // namespace tptt
