#pragma once

#include <string>

#include "models/causal_lm.h"
#include "models/formats/weight_index.h"

namespace tptt {

/// Fills every base parameter from `index`, converted to `dtype` on `device`. Every parameter must
/// be there with its shape and every tensor must be used; a tied head takes the embedding. With
/// `keep_packed` matrices of ggml's blocks stay as they are (on the CPU).
/// Throws Error that names the tensor.
void load_weights(CausalLM& model, const WeightIndex& index, at::ScalarType dtype,
                  at::Device device, bool keep_packed = false);

/// One tensor of a file as float32 on the CPU. Throws Error for a type that is no floating point.
at::Tensor read_float_tensor(const ReadFile& file, const TensorInfo& info);

/// The name under which the files have a parameter: one saved from the model without its head has
/// no "model." before its names.
std::string stored_name(const ModelConfig& config, const WeightIndex& index,
                        const std::string& name);

}  // namespace tptt
