#pragma once

#include <memory>

#include "data/tokenizer.h"
#include "models/causal_lm.h"
#include "trainer/commands.h"

namespace tptt {

struct LoadedModel {
  std::unique_ptr<CausalLM> model;
  std::unique_ptr<Tokenizer> tokenizer;
};

/// Finds and loads what the flags name, adapter included, on their device. Throws Error.
LoadedModel load_model(const CommonFlags& common, bool with_tokenizer);

/// "mixed, softmax, linear or window".
std::string branch_names();

/// Throws UsageError that lists the names.
Branch parse_branch(const std::string& name);

/// True when some layer has a LiZA memory.
bool has_memory(const CausalLM& model);

/// The softmax window of the first layer that has one; length 0: attention is not bounded.
AttentionWindow window_of(const CausalLM& model);

}  // namespace tptt
