#include "models/registry.h"

#include <map>

#include "models/formats/error.h"
#include "models/llama.h"
#include "models/weights.h"

namespace tptt {
namespace {

using Factory = std::unique_ptr<CausalLM> (*)(const ModelConfig&);

const std::map<std::string, Factory> kFamilies = {
    {"llama", make_llama},
};

}  // namespace

std::unique_ptr<CausalLM> make_causal_lm(const ModelConfig& config) {
  const auto family = kFamilies.find(config.model_type);
  if (family != kFamilies.end()) return family->second(config);
  std::string known;
  for (const auto& [name, factory] : kFamilies) known += (known.empty() ? "" : ", ") + name;
  throw Error("model_type '" + config.model_type + "' is not supported; known types: " + known);
}

std::unique_ptr<CausalLM> load_causal_lm(const ModelFiles& files, at::ScalarType dtype,
                                         at::Device device) {
  auto model = make_causal_lm(read_model_config(files));
  load_weights(*model, index_weights(files), dtype, device);
  return model;
}

}  // namespace tptt
