#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/formats/json.h"
#include "models/formats/weight_index.h"
#include "models/model_config.h"

namespace tptt {

/// Where a model's parts lie. Exactly one of `dir` and `gguf` is set.
struct ModelFiles {
  std::string name;        // as the user gave it
  std::string dir;         // Hugging Face directory
  std::string gguf;        // GGUF file
  std::string repository;  // org/name on the Hugging Face Hub where that is known, else empty
};

/// The user's cache: XDG_CACHE_HOME or ~/.cache.
std::filesystem::path cache_home();

/// Finds MODEL: a directory with config.json, a .gguf file, the name `smollm2-135m-instruct`
/// (GGUF that scripts/setup.sh fetched), or `org/name` in the local Hugging Face cache
/// (HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub). Throws UsageError that says what to do.
ModelFiles find_model(const std::string& name);

/// The repository on the Hub that the model is from: `files.repository`, or what a GGUF file says
/// of its source; empty when nothing tells.
std::string source_repository(const ModelFiles& files);

/// config.json, or what the metadata of a GGUF file say in its words.
Json read_config_json(const ModelFiles& files);

/// Reads config.json (+ generation_config.json) or the GGUF metadata; unsupported model types, RoPE
/// types and activations are refused by name, sizes are bounded and checked against each other.
ModelConfig read_model_config(const ModelFiles& files);

WeightIndex index_weights(const ModelFiles& files);

/// Every file the model is read from: configuration, tokenizer, weights.
std::vector<std::string> model_file_paths(const ModelFiles& files);

}  // namespace tptt
