#include "trainer/prefix.h"

#include <c10/core/GradMode.h>

#include <algorithm>

#include "models/host_tensor.h"
#include "models/liza/operator_mode.h"

namespace tptt {
namespace {

constexpr int64_t kLeast = 16;  // tokens that are worth a forward of their own

int64_t shared_length(const std::vector<const TokenIds*>& texts) {
  const TokenIds& first = *texts[0];
  size_t shared = first.size() - 1;
  for (const TokenIds* text : texts) {
    const auto end = first.begin() + long(std::min(shared, text->size() - 1));
    shared = size_t(std::mismatch(first.begin(), end, text->begin()).first - first.begin());
  }
  return int64_t(shared);
}

}  // namespace

bool continues_caches(const CausalLM& model, Branch branch) {
  if (branch == Branch::softmax || branch == Branch::window) return true;
  for (int64_t i = 0; i < model.config.num_hidden_layers; ++i) {
    const auto& liza = model.attention(i).liza;
    if (!liza) continue;
    if (liza->config.implementation == "tptt") return false;
    if (find_operator_mode(liza->config.operator_mode).gelu) return false;
  }
  return true;
}

Prefix compute_prefix(const CausalLM& model, const std::vector<const TokenIds*>& texts,
                      int64_t longest, Branch branch) {
  Prefix prefix;
  if (texts.size() < 2 || !continues_caches(model, branch)) return prefix;
  const int64_t length = shared_length(texts);
  if (length < kLeast || cache_expires(model, length, longest)) return prefix;
  c10::AutoGradMode no_grad(false);
  prefix.length = length;
  prefix.cache = make_cache(model, 1, length, branch);
  model.hidden(host_tensor({texts[0]->begin(), texts[0]->begin() + length}, model.device()),
               model.context({length}, {.branch = branch}, &prefix.cache));
  return prefix;
}

}  // namespace tptt
