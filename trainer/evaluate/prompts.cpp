#include "trainer/evaluate/prompts.h"

#include <algorithm>
#include <functional>
#include <map>

#include "data/dataset.h"
#include "data/tasks/python_random.h"
#include "data/tasks/task_rows.h"
#include "data/utf8.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

constexpr uint32_t kShotSeed = 1234;  // lm-evaluation-harness' --seed
constexpr int64_t kHendrycksTokens = 2048;

// lighteval's "balanced" (FewShotSampler): of the answers by how many questions have them, equals
// shuffled by seed 0, one question each in turn.
std::vector<const Doc*> balanced(const std::vector<Doc>& docs, int64_t count) {
  std::map<std::string, std::vector<const Doc*>> by_answer;
  for (const Doc& doc : docs) by_answer[doc.right_text].push_back(&doc);
  std::map<size_t, std::vector<std::string>, std::greater<>> by_count;
  for (const auto& [answer, all] : by_answer) by_count[all.size()].push_back(answer);
  PythonRandom random(0);
  std::vector<std::string> answers;
  for (const auto& [size, equals] : by_count)
    for (const int64_t i : random.shuffled(int64_t(equals.size())))
      answers.push_back(equals[size_t(i)]);
  std::vector<const Doc*> chosen;
  for (size_t turn = 0; int64_t(chosen.size()) < count; ++turn) {
    auto& left = by_answer[answers[turn % answers.size()]];
    if (left.empty()) continue;
    const auto drawn = left.begin() + random.below(int64_t(left.size()));
    chosen.push_back(*drawn);
    left.erase(drawn);
  }
  return chosen;
}

// Leaves of the context what fits `max_length` with the longest continuation, whose last token is
// predicted and not read, or with `new_tokens`.
bool cut(Request& request, int64_t max_length, int64_t new_tokens, const std::string& where) {
  size_t behind = size_t(std::max<int64_t>(new_tokens, 1));
  for (const TokenIds& c : request.continuations) behind = std::max(behind, c.size());
  if (request.context.empty()) throw Error(where + ": the question is empty");
  if (int64_t(behind) > max_length)
    throw Error(where + ": a choice of " + std::to_string(behind) +
                " tokens; the model reads at most " + std::to_string(max_length));
  const size_t room = size_t(max_length) + 1 - behind;
  if (request.context.size() <= room) return false;
  request.context.erase(request.context.begin(), request.context.end() - long(room));
  return true;
}

// Ids of a context and, of each choice behind it, those that are not the context's: cut where the
// ids of the context without its last blanks end (lm-evaluation-harness' _encode_pair).
Request request_for(const Tokenizer& tokenizer, const std::string& text,
                    const std::vector<std::string>& choices, const std::string& where) {
  Request request{encode_prompt(strip_right(text), tokenizer), {}};
  for (const std::string& choice : choices) {
    const TokenIds whole = encode_prompt(text + " " + choice, tokenizer);
    if (whole.size() <= request.context.size())
      throw Error(where + ": the choice \"" + choice + "\" has no token of its own");
    request.continuations.emplace_back(whole.begin() + long(request.context.size()), whole.end());
  }
  return request;
}

// The letters after a blank, as the API was asked, and then as the tokenizer has them alone.
Prompt hendrycks_prompt(const Task& task, const Doc& doc, std::vector<const Doc*> shots,
                        const Tokenizer& tokenizer) {
  Prompt prompt;
  while (true) {
    const std::string text = shots_text(task, shots) + doc.context();
    prompt.requests = {request_for(tokenizer, text, doc.choices, doc.where)};
    if (shots.empty() || int64_t(prompt.requests[0].context.size()) <= kHendrycksTokens) break;
    shots.pop_back();
    prompt.truncated = true;
  }
  for (size_t i = 0; i < doc.choices.size(); ++i)
    prompt.requests[0].continuations.push_back({encode_prompt(choice_letter(i), tokenizer).back()});
  return prompt;
}

}  // namespace

std::vector<std::vector<const Doc*>> choose_shots(const Task& task) {
  const int64_t num_fewshot = task.num_fewshot;
  std::vector<const Doc*> same;
  if (task.protocol == Protocol::lighteval) {
    same = balanced(task.shots, num_fewshot);
  } else if (!task.description.empty()) {
    for (int64_t i = 0; i < num_fewshot; ++i) same.push_back(&task.shots[size_t(i)]);
  }
  std::vector<std::vector<const Doc*>> all(task.docs.size(), same);
  if (num_fewshot == 0 || !same.empty()) return all;
  // The harness draws one more where its task has no test split, lest the question be among them.
  const bool spare = task.kind->splits[0] != "test";
  const auto population = int64_t(task.shots.size());
  PythonRandom random(kShotSeed);
  for (size_t i = 0; i < all.size(); ++i) {
    for (const int64_t drawn :
         random.sample(population, std::min(population, num_fewshot + spare))) {
      const Doc& shot = task.shots[size_t(drawn)];
      const bool is_question = spare && shot.contexts == task.docs[i].contexts;
      if (!is_question && int64_t(all[i].size()) < num_fewshot) all[i].push_back(&shot);
    }
  }
  return all;
}

std::string shots_text(const Task& task, const std::vector<const Doc*>& shots) {
  std::string text = task.description;
  for (const Doc* shot : shots) {
    const size_t right = size_t(shot->right[0]);
    // Where each choice has its own context, that of the right one.
    text +=
        shot->contexts[shot->contexts.size() > 1 ? right : 0] + " " + shot->choices[right] + "\n\n";
  }
  return text;
}

std::vector<Prompt> make_prompts(const Task& task, const Tokenizer& tokenizer, int64_t max_length,
                                 int64_t new_tokens) {
  const auto shots = choose_shots(task);
  std::vector<Prompt> prompts;
  for (size_t i = 0; i < task.docs.size(); ++i) {
    const Doc& doc = task.docs[i];
    const auto before = [&] { return shots_text(task, shots[i]); };
    Prompt prompt;
    if (task.protocol == Protocol::hendrycks) {
      prompt = hendrycks_prompt(task, doc, shots[i], tokenizer);
    } else if (new_tokens > 0) {
      prompt.requests = {{encode_prompt(before() + doc.context(), tokenizer), {}}};
    } else if (doc.contexts.size() == 1) {
      prompt.requests = {request_for(tokenizer, before() + doc.context(), doc.choices, doc.where)};
    } else {
      for (size_t c = 0; c < doc.choices.size(); ++c)
        prompt.requests.push_back(
            request_for(tokenizer, before() + doc.contexts[c], {doc.choices[c]}, doc.where));
    }
    for (Request& request : prompt.requests)
      prompt.truncated |= cut(request, max_length, new_tokens, doc.where);
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

}  // namespace tptt
