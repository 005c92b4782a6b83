#pragma once

#include "models/causal_lm.h"
#include "models/formats/weight_index.h"

namespace tptt {

/// Fills every base parameter from `index`, converted to `dtype` on `device`. Every parameter must
/// be there with its shape and every tensor must be used; a tied head takes the embedding.
/// Throws Error that names the tensor.
void load_weights(CausalLM& model, const WeightIndex& index, at::ScalarType dtype,
                  at::Device device);

}  // namespace tptt
