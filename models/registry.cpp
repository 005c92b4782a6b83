#include "models/registry.h"

#include "models/formats/error.h"
#include "models/weights.h"

namespace tptt {

std::unique_ptr<CausalLM> load_causal_lm(const ModelFiles& files, at::ScalarType dtype,
                                         at::Device device, bool keep_packed) {
  if (keep_packed && files.gguf.empty())
    throw UsageError("quantization: keep needs a .gguf file, whose blocks it keeps; expected none");
  auto model = std::make_unique<CausalLM>(read_model_config(files));
  load_weights(*model, index_weights(files), dtype, device, keep_packed);
  return model;
}

}  // namespace tptt
