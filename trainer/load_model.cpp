#include "trainer/load_model.h"

#include "models/formats/error.h"
#include "models/formats/names.h"
#include "models/registry.h"
#include "trainer/adapter.h"
#include "trainer/runtime.h"

namespace tptt {

namespace {

// A branch that is not there would be another one's scores under its name.
void check_branch(const CausalLM& model, Branch branch) {
  if (branch == Branch::linear && !has_memory(model))
    throw UsageError(
        "--branch linear: the model has no memory; give an --adapter trained with one");
  if (branch == Branch::window && window_of(model).length == 0)
    throw UsageError(
        "--branch window: attention is not bounded; give an --adapter trained with "
        "liza.max_self_attn_length");
}

}  // namespace

std::string branch_names() {
  return list_names(
      kBranches, [](const auto& branch) { return branch.first; }, " or ");
}

Branch parse_branch(const std::string& name) {
  for (const auto& [known, branch] : kBranches)
    if (name == known) return branch;
  throw UsageError("--branch '" + name + "': expected " + branch_names());
}

AttentionWindow window_of(const CausalLM& model) {
  for (int64_t i = 0; i < model.config.num_hidden_layers; ++i)
    if (model.attention(i).bounded.length > 0) return model.attention(i).bounded;
  return {};
}

bool has_memory(const CausalLM& model) {
  for (int64_t i = 0; i < model.config.num_hidden_layers; ++i)
    if (model.attention(i).liza) return true;
  return false;
}

LoadedModel load_model(const CommonFlags& common, bool with_tokenizer) {
  const Branch branch = parse_branch(common.branch);
  const ModelFiles files = find_model(common.model);
  set_threads(common.num_threads);
  const at::Device device = resolve_device(common.device);
  LoadedModel loaded;
  loaded.model = load_causal_lm(files, resolve_dtype(common.dtype, device), device,
                                common.quantization == "keep");
  if (!common.adapter.empty()) apply_adapter(*loaded.model, common.adapter);
  check_branch(*loaded.model, branch);
  if (with_tokenizer) loaded.tokenizer = load_tokenizer(files);
  return loaded;
}

}  // namespace tptt
