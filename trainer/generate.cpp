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

// The normed hidden state of each text's last token [S, E]. The cache holds all before it, or is
// made from the whole texts where it cannot.
at::Tensor last_hidden(const CausalLM& model, const std::vector<TokenIds>& texts,
                       const ForwardOptions& options, int64_t capacity, bool whole,
                       DecodeCache& cache) {
  if (whole) cache = make_cache(model, int64_t(texts.size()), capacity, options.branch);
  std::vector<int64_t> ids, lengths, last_rows;
  for (const TokenIds& text : texts) {
    ids.insert(ids.end(), whole ? text.begin() : text.end() - 1, text.end());
    lengths.push_back(whole ? int64_t(text.size()) : 1);
    last_rows.push_back(int64_t(ids.size()) - 1);
  }
  const auto index = at::TensorOptions().dtype(at::kLong).device(model.device());
  const at::Tensor hidden =
      model.hidden(at::tensor(ids, index), model.context(lengths, options, &cache));
  return whole ? hidden.index_select(0, at::tensor(last_rows, index)) : hidden;
}

}  // namespace

std::vector<TokenIds> generate(const CausalLM& model, const std::vector<TokenIds>& prompts,
                               const GenerateOptions& options,
                               const std::function<void(size_t, int32_t)>& on_token) {
  std::vector<TokenIds> answers(prompts.size());
  if (prompts.empty() || options.max_new_tokens <= 0) return answers;
  c10::AutoGradMode no_grad(false);
  std::vector<TokenIds> texts = prompts;  // and what follows, end tokens and beyond included
  int64_t longest = 0;
  for (const TokenIds& prompt : prompts) longest = std::max(longest, int64_t(prompt.size()));
  const int64_t capacity = longest + options.max_new_tokens;
  DecodeCache cache;
  std::vector<bool> done(prompts.size(), false);
  const auto& ends = model.config.eos_token_id;
  for (int64_t step = 0; step < options.max_new_tokens; ++step, ++longest) {
    // Learned positions end; what is written so far is the answer.
    if (!model.config.embed_positions.empty() && longest > model.config.max_position_embeddings)
      break;
    const bool whole = step == 0 || cache_expires(model, longest - 1, longest);
    const at::Tensor hidden =
        last_hidden(model, texts, {.branch = options.branch}, capacity, whole, cache);
    const auto ids = next_tokens(model.logits(hidden), options, uint64_t(step));
    for (size_t s = 0; s < prompts.size(); ++s) {
      texts[s].push_back(int32_t(ids[s]));
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
