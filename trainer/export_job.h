#pragma once

#include <map>
#include <memory>
#include <string>

#include "models/causal_lm.h"
#include "models/formats/model_files.h"
#include "trainer/adapter_config.h"
#include "trainer/commands.h"

namespace tptt {

/// What one export works on.
struct ExportJob {
  ExportFlags flags;
  std::string adapter;  // directory
  std::string run;      // the run that it is part of, or empty
  AdapterConfig config;
};

/// The base model: --model, else what the run was trained on, else what the adapter names.
ModelFiles find_base(const ExportJob& job);

/// The base with the adapter's LoRA, its frozen weights not loaded.
std::unique_ptr<CausalLM> lora_alone(const ExportJob& job, const ModelFiles& base);

/// Refuses a memory, for which the format has no place, unless --drop-liza leaves it out.
void refuse_liza(const ExportJob& job);

/// Whole model with the adapter in its weights, in the base's own format; `to` is a new directory,
/// or a new file for a GGUF base.
void export_merged(const ExportJob& job, const std::string& to);

/// Writes the LoRA of one adapter for llama.cpp as GGUF file `to`.
void export_gguf_lora(const ExportJob& job, const std::string& to);

/// Writes an adapter for Python tptt into directory `to`.
void export_tptt(const ExportJob& job, const std::string& to);

}  // namespace tptt
