#include "trainer/generate.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "models/philox.h"

namespace tptt {
namespace {

// A token drawn from softmax(logits / temperature) cut to the smallest set of probability top_p.
int64_t sample(const at::Tensor& logits, const GenerateOptions& options, uint64_t prompt,
               uint64_t position) {
  const at::Tensor p = at::softmax(logits.to(at::kCPU, at::kDouble) / options.temperature, -1);
  const auto [values, order] = at::sort(p, -1, /*descending=*/true);
  const double* v = values.const_data_ptr<double>();
  double kept = 0;
  int64_t count = 0;
  while (count < values.numel() && kept < options.top_p) kept += v[count++];
  const auto words = philox4x32(options.seed, prompt, position);
  double left = (double(words[0]) + 0.5) / 4294967296.0 * kept;
  int64_t i = 0;
  while (i + 1 < count && (left -= v[i]) > 0) ++i;
  return order[i].item<int64_t>();
}

std::vector<int64_t> next_tokens(const at::Tensor& logits, const GenerateOptions& options,
                                 uint64_t position) {
  if (options.temperature <= 0) {
    const at::Tensor best = logits.argmax(-1).to(at::kCPU);
    return {best.const_data_ptr<int64_t>(), best.const_data_ptr<int64_t>() + best.numel()};
  }
  std::vector<int64_t> ids;
  for (int64_t s = 0; s < logits.size(0); ++s)
    ids.push_back(sample(logits[s], options, uint64_t(s), position));
  return ids;
}

}  // namespace

std::vector<TokenIds> generate(const CausalLM& model, const std::vector<TokenIds>& prompts,
                               const GenerateOptions& options,
                               const std::function<void(size_t, int32_t)>& on_token) {
  std::vector<TokenIds> answers(prompts.size());
  if (prompts.empty() || options.max_new_tokens <= 0) return answers;
  c10::AutoGradMode no_grad(false);
  std::vector<int64_t> ids, lengths, last_rows;
  for (const TokenIds& prompt : prompts) {
    ids.insert(ids.end(), prompt.begin(), prompt.end());
    lengths.push_back(int64_t(prompt.size()));
    last_rows.push_back(int64_t(ids.size()) - 1);
  }
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  DecodeCache cache =
      make_cache(model, int64_t(prompts.size()), longest + options.max_new_tokens, options.branch);
  const auto index = at::TensorOptions().dtype(at::kLong).device(model.device());
  std::vector<bool> done(prompts.size(), false);
  const auto& ends = model.config.eos_token_id;
  for (int64_t step = 0; step < options.max_new_tokens; ++step) {
    const AttentionContext context = model.context(lengths, {.branch = options.branch}, &cache);
    at::Tensor hidden = model.hidden(at::tensor(ids, index), context);
    if (step == 0) hidden = hidden.index_select(0, at::tensor(last_rows, index));
    ids = next_tokens(model.head().forward(hidden, {}), options, uint64_t(step));  // [S, V]
    lengths.assign(prompts.size(), 1);
    for (size_t s = 0; s < prompts.size(); ++s) {
      if (done[s]) continue;
      done[s] = std::find(ends.begin(), ends.end(), ids[s]) != ends.end();
      if (done[s]) continue;
      answers[s].push_back(int32_t(ids[s]));
      if (on_token) on_token(s, int32_t(ids[s]));
    }
    if (std::all_of(done.begin(), done.end(), [](bool d) { return d; })) break;
  }
  return answers;
}

}  // namespace tptt
