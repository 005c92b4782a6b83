#include "models/registry.h"

#include "models/weights.h"

namespace tptt {

std::unique_ptr<CausalLM> load_causal_lm(const ModelFiles& files, at::ScalarType dtype,
                                         at::Device device) {
  auto model = std::make_unique<CausalLM>(read_model_config(files));
  load_weights(*model, index_weights(files), dtype, device);
  return model;
}

}  // namespace tptt
