#pragma once

#include <memory>

#include "models/causal_lm.h"
#include "models/formats/model_files.h"

namespace tptt {

/// The model of config.model_type, without weights. Error lists the known types.
std::unique_ptr<CausalLM> make_causal_lm(const ModelConfig& config);

/// Config, model and weights of `files` in `dtype` on `device`.
std::unique_ptr<CausalLM> load_causal_lm(const ModelFiles& files, at::ScalarType dtype,
                                         at::Device device);

}  // namespace tptt
