#pragma once

#include <memory>

#include "models/causal_lm.h"
#include "models/formats/model_files.h"

namespace tptt {

/// Config, model and weights of `files` in `dtype` on `device`. `keep_packed`: a GGUF file's blocks
/// stay as they are. Throws Error, and UsageError where nothing could be kept.
std::unique_ptr<CausalLM> load_causal_lm(const ModelFiles& files, at::ScalarType dtype,
                                         at::Device device, bool keep_packed = false);

}  // namespace tptt
