#include "trainer/generate.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sort.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <limits>

#include "models/formats/error.h"
#include "models/host_tensor.h"
#include "models/kernels/argmax.h"
#include "models/philox.h"
#include "trainer/prefix.h"

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

// The texts that are still written, one a sequence of the cache.
struct Writing {
  std::vector<size_t> prompts;  // whose text it is
  std::vector<TokenIds> texts;  // prompt and answer
  std::vector<bool> done;

  int64_t longest() const {
    size_t longest = 0;
    for (const TokenIds& text : texts) longest = std::max(longest, text.size());
    return int64_t(longest);
  }
};

std::vector<int64_t> next_tokens(const at::Tensor& logits, const GenerateOptions& options,
                                 const std::vector<size_t>& prompts, uint64_t position) {
  if (options.temperature <= 0) return argmax_rows(logits);
  std::vector<int64_t> ids;
  for (size_t s = 0; s < prompts.size(); ++s)
    ids.push_back(sample(logits[int64_t(s)], options, prompts[s], position));
  return ids;
}

// Takes out the texts that are done. The cache is copied then, so not for each of them, but at once
// when one has no position left.
void leave_done(Writing& writing, int64_t max_length, DecodeCache& cache) {
  std::vector<int64_t> kept;
  bool full = false;
  for (size_t s = 0; s < writing.texts.size(); ++s) {
    if (!writing.done[s]) kept.push_back(int64_t(s));
    full |= int64_t(writing.texts[s].size()) > max_length;
  }
  if (!full && 2 * kept.size() > writing.texts.size()) return;
  Writing rest;
  for (const int64_t s : kept) {
    rest.prompts.push_back(writing.prompts[size_t(s)]);
    rest.texts.push_back(std::move(writing.texts[size_t(s)]));
  }
  rest.done.assign(kept.size(), false);
  writing = std::move(rest);
  if (!kept.empty()) keep_sequences(cache, kept);
}

// The normed hidden state of each text's last token [S, E]. The cache holds all before it, or is
// made from the whole texts, behind their prefix, where it cannot.
at::Tensor last_hidden(const CausalLM& model, const std::vector<TokenIds>& texts,
                       const ForwardOptions& options, int64_t capacity, bool whole,
                       const Prefix& prefix, DecodeCache& cache) {
  if (whole) cache = make_cache(model, int64_t(texts.size()), capacity, options.branch);
  std::vector<int64_t> ids, lengths, last_rows;
  for (const TokenIds& text : texts) {
    const auto begin = whole ? text.begin() + prefix.length : text.end() - 1;
    ids.insert(ids.end(), begin, text.end());
    lengths.push_back(text.end() - begin);
    last_rows.push_back(int64_t(ids.size()) - 1);
  }
  const Past past = whole ? prefix.past(texts.size()) : Past();
  const at::Tensor hidden =
      model.hidden(host_tensor(ids, model.device()), model.context(lengths, options, &cache, past));
  return whole ? hidden.index_select(0, host_tensor(last_rows, model.device())) : hidden;
}

}  // namespace

void check_ids(const TokenIds& ids, int64_t vocab_size) {
  for (const int32_t id : ids)
    if (id < 0 || id >= vocab_size)
      throw Error("the prompt has token " + std::to_string(id) +
                  ", and the model knows only those below " + std::to_string(vocab_size));
}

std::vector<TokenIds> generate(const CausalLM& model, const std::vector<TokenIds>& prompts,
                               const GenerateOptions& options,
                               const std::function<void(size_t, int32_t)>& on_token) {
  std::vector<TokenIds> answers(prompts.size());
  if (options.max_new_tokens <= 0) return answers;
  for (const TokenIds& prompt : prompts) check_ids(prompt, model.config.vocab_size);
  const c10::InferenceMode no_grad;
  Writing writing{{}, prompts, std::vector<bool>(prompts.size(), false)};
  for (size_t i = 0; i < prompts.size(); ++i) writing.prompts.push_back(i);
  const int64_t capacity = writing.longest() + options.max_new_tokens;
  const int64_t max_length = model.config.embed_positions.empty()
                                 ? std::numeric_limits<int64_t>::max()
                                 : model.config.max_position_embeddings;
  const auto& ends = model.config.eos_token_id;
  std::vector<const TokenIds*> all;
  for (const TokenIds& prompt : prompts) all.push_back(&prompt);
  const Prefix prefix = compute_prefix(model, all, capacity, options.branch);
  DecodeCache cache;
  int64_t stored = 0;  // of the longest text
  for (int64_t step = 0; step < options.max_new_tokens && !writing.texts.empty(); ++step) {
    const int64_t longest = writing.longest();
    const bool whole = step == 0 || cache_expires(model, stored, longest);
    stored = longest;
    const at::Tensor hidden = last_hidden(model, writing.texts, {.branch = options.branch},
                                          capacity, whole, prefix, cache);
    const auto ids = next_tokens(model.logits(hidden), options, writing.prompts, uint64_t(step));
    for (size_t s = 0; s < ids.size(); ++s) {
      writing.texts[s].push_back(int32_t(ids[s]));
      if (writing.done[s]) continue;
      writing.done[s] = std::find(ends.begin(), ends.end(), ids[s]) != ends.end();
      if (writing.done[s]) continue;
      TokenIds& answer = answers[writing.prompts[s]];
      answer.push_back(int32_t(ids[s]));
      if (on_token) on_token(writing.prompts[s], int32_t(ids[s]));
      writing.done[s] = int64_t(writing.texts[s].size()) > max_length ||
                        (options.is_complete && options.is_complete(answer));
    }
    leave_done(writing, max_length, cache);
  }
  return answers;
}

}  // namespace tptt
