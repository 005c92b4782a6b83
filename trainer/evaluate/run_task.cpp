#include "trainer/evaluate/run_task.h"

#include <algorithm>
#include <numeric>

#include "data/sha256.h"
#include "trainer/evaluate/prompts.h"
#include "trainer/evaluate/task_scores.h"
#include "trainer/generate.h"

namespace tptt {
namespace {

// lighteval's: as many tokens of an answer count, up to the end of its line.
constexpr int64_t kLightevalTokens = 5;

// How much of an answer is written, and the texts before which it ends.
struct Writing {
  int64_t new_tokens = 0;  // 0: the task chooses
  std::vector<std::string> stops;
};

Writing writing_of(const Task& task) {
  if (task.protocol == Protocol::lighteval) return {kLightevalTokens, {"\n"}};
  return {task.kind->new_tokens, task.kind->stops};
}

size_t stop_in(const std::string& text, const Writing& writing) {
  size_t end = std::string::npos;
  for (const std::string& stop : writing.stops) end = std::min(end, text.find(stop));
  return end;
}

// Questions that are left and what they are asked with.
struct Asked {
  const Task& task;
  std::vector<Prompt> prompts;  // of all questions
  std::vector<size_t> left;

  Sample sample(size_t doc) const {
    return {.task = task.name,
            .doc_id = int64_t(doc),
            .doc_hash = doc_hash(task.docs[doc]),
            .truncated = prompts[doc].truncated};
  }
};

// Those whose prompts are cut, or those whose are not: only these begin alike. Takes their
// requests.
void choose(const CausalLM& model, Asked& asked, const ScoringOptions& options, bool truncated,
            const std::function<void(const Sample&)>& on_sample) {
  struct Place {
    size_t doc, request;
  };
  std::vector<Request> requests;
  std::vector<Place> places;
  std::vector<std::vector<Likelihoods>> known(asked.prompts.size());  // by question and request
  for (const size_t doc : asked.left) {
    Prompt& prompt = asked.prompts[doc];
    if (prompt.truncated != truncated) continue;
    known[doc].resize(prompt.requests.size());
    for (size_t r = 0; r < prompt.requests.size(); ++r) {
      requests.push_back(std::move(prompt.requests[r]));
      places.push_back({doc, r});
    }
  }
  const auto take = [&](size_t i, const Likelihoods& scores) {
    const Place& place = places[i];
    auto& parts = known[place.doc];
    parts[place.request] = scores;
    Likelihoods all;
    for (const Likelihoods& part : parts) {
      if (part.empty()) return;
      all.insert(all.end(), part.begin(), part.end());
    }
    Sample sample = asked.sample(place.doc);
    score_choices(asked.task, asked.task.docs[place.doc], all, sample);
    on_sample(sample);
  };
  score_requests(model, requests, options, take);
}

// Prompts of one batch: as many as fit the options' tokens of caches.
void write(const CausalLM& model, const Tokenizer& tokenizer, const Asked& asked,
           const Writing& writing, const ScoringOptions& options,
           const std::function<void(const Sample&)>& on_sample) {
  GenerateOptions generation;
  generation.max_new_tokens = writing.new_tokens;
  generation.branch = options.branch;
  generation.is_complete = [&](const TokenIds& ids) {
    return stop_in(tokenizer.decode(ids), writing) != std::string::npos;
  };
  std::vector<size_t> order = asked.left;
  const auto context = [&](size_t doc) -> const TokenIds& {
    return asked.prompts[doc].requests[0].context;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return context(a).size() > context(b).size(); });
  for (size_t begin = 0; begin < order.size();) {
    const size_t longest = context(order[begin]).size() + size_t(writing.new_tokens);
    const size_t fit = std::max<size_t>(1, size_t(options.max_cached_tokens) / longest);
    const size_t end = std::min(order.size(), begin + fit);
    std::vector<TokenIds> prompts;
    for (size_t i = begin; i < end; ++i) prompts.push_back(context(order[i]));
    for (const TokenIds& ids : generate(model, prompts, generation)) {
      const size_t doc = order[begin++];
      const std::string text = tokenizer.decode(ids, true);
      Sample sample = asked.sample(doc);
      score_response(asked.task, asked.task.docs[doc], text.substr(0, stop_in(text, writing)),
                     sample);
      on_sample(sample);
    }
  }
}

}  // namespace

std::string doc_hash(const Doc& doc) {
  Sha256 hash;
  for (const auto* texts : {&doc.contexts, &doc.choices})
    for (const std::string& text : *texts) hash.update_sized(text);
  for (const int64_t right : doc.right) hash.update_sized(std::to_string(right));
  return to_hex(hash.finish()).substr(0, 16);
}

void run_task(const CausalLM& model, const Tokenizer& tokenizer, const Task& task,
              const ScoringOptions& options, const std::set<int64_t>& done,
              const std::function<void(const Sample&)>& on_sample) {
  const Writing writing = writing_of(task);
  Asked asked{
      task,
      make_prompts(task, tokenizer, model.config.max_position_embeddings, writing.new_tokens),
      {}};
  for (size_t doc = 0; doc < task.docs.size(); ++doc)
    if (!done.contains(int64_t(doc))) asked.left.push_back(doc);
  if (writing.new_tokens > 0) {
    write(model, tokenizer, asked, writing, options, on_sample);
  } else {
    for (const bool truncated : {true, false}) choose(model, asked, options, truncated, on_sample);
  }
}

}  // namespace tptt
