#pragma once

#include <string>

#include "models/formats/json.h"

namespace tptt {

/// The config.json that the metadata of a GGUF file stands for. Throws Error for an architecture
/// that is not known.
Json gguf_config_json(const std::string& path);

}  // namespace tptt
