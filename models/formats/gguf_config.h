#pragma once

#include <string>

#include "models/formats/json.h"
#include "models/formats/model_files.h"

namespace tptt {

/// The config.json that the metadata of a GGUF file stands for. Throws Error for an architecture
/// that is not known.
Json gguf_config_json(const std::string& path);

/// The architecture under which llama.cpp has the model: the file's own, or that of its
/// model_type. Throws Error for a model that llama.cpp's files do not have here.
std::string gguf_architecture(const ModelFiles& files, const std::string& model_type);

}  // namespace tptt
