#include "trainer/load_model.h"

#include "models/formats/error.h"
#include "models/registry.h"
#include "trainer/adapter.h"
#include "trainer/runtime.h"

namespace tptt {

Branch parse_branch(const std::string& name) {
  if (name == "mixed") return Branch::mixed;
  if (name == "softmax") return Branch::softmax;
  if (name == "linear") return Branch::linear;
  throw UsageError("--branch '" + name + "': expected mixed, softmax or linear");
}

LoadedModel load_model(const CommonFlags& common, bool with_tokenizer) {
  const ModelFiles files = find_model(common.model);
  set_threads(common.num_threads);
  const at::Device device = resolve_device(common.device);
  LoadedModel loaded;
  loaded.model = load_causal_lm(files, resolve_dtype(common.dtype, device), device);
  if (!common.adapter.empty()) apply_adapter(*loaded.model, common.adapter);
  if (with_tokenizer) loaded.tokenizer = load_tokenizer(files);
  return loaded;
}

}  // namespace tptt
