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

// Leaves the last `room` tokens of a context.
void keep_last(TokenIds& context, size_t room) {
  if (context.size() > room) context.erase(context.begin(), context.end() - long(room));
}

// What of a request the model can read, and whether it has lost its beginning: before each choice
// what fits with it, as in lm-evaluation-harness. The last token is predicted and not read.
bool cut(std::vector<Request>& requests, int64_t max_length, int64_t new_tokens,
         const std::string& where) {
  std::vector<Request> all;
  bool is_cut = false;
  for (Request& request : requests) {
    if (request.context.empty()) throw Error(where + ": the question is empty");
    size_t longest = size_t(new_tokens) + (new_tokens > 0);
    for (const TokenIds& c : request.continuations) longest = std::max(longest, c.size());
    if (int64_t(longest) > max_length)
      throw Error(where + ": an answer of " + std::to_string(longest) +
                  " tokens; the model reads at most " + std::to_string(max_length));
    if (request.context.size() + longest <= size_t(max_length) + 1) {
      all.push_back(std::move(request));
      continue;
    }
    is_cut = true;
    if (new_tokens > 0) {
      keep_last(request.context, size_t(max_length) + 1 - longest);
      all.push_back(std::move(request));
    }
    for (const TokenIds& c : request.continuations) {
      all.push_back({request.context, {c}});
      keep_last(all.back().context, size_t(max_length) + 1 - c.size());
    }
  }
  requests = std::move(all);
  return is_cut;
}

// Whether two rows ask and answer the same.
bool is_same(const Doc& a, const Doc& b) {
  return a.contexts == b.contexts && a.choices == b.choices && a.right == b.right;
}

std::vector<const Doc*> draw(const std::vector<const Doc*>& from, int64_t count,
                             PythonRandom& random) {
  const auto population = int64_t(from.size());
  std::vector<const Doc*> chosen;
  for (const int64_t i : random.sample(population, std::min(population, count)))
    chosen.push_back(from[size_t(i)]);
  return chosen;
}

// Where the question may be among the shots, as lm-evaluation-harness draws others.
std::vector<const Doc*> draw_others(const std::vector<const Doc*>& from, int64_t count,
                                    const Doc& question, PythonRandom& random) {
  const auto is_question = [&](const Doc* shot) { return is_same(*shot, question); };
  std::vector<const Doc*> chosen = draw(from, count + 1, random);
  std::erase_if(chosen, is_question);
  if (int64_t(chosen.size()) < count) {  // it is there several times
    std::vector<const Doc*> others = from;
    std::erase_if(others, is_question);
    chosen = draw(others, count, random);
  }
  chosen.resize(std::min(chosen.size(), size_t(count)));
  return chosen;
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
  } else if (task.kind->shots == Shots::first) {
    for (int64_t i = 0; i < num_fewshot; ++i) same.push_back(&task.shots[size_t(i)]);
  }
  std::vector<std::vector<const Doc*>> all(task.docs.size(), same);
  if (num_fewshot == 0 || !same.empty()) return all;
  PythonRandom random(kShotSeed);
  std::vector<const Doc*> shots;
  for (const Doc& shot : task.shots) shots.push_back(&shot);
  for (size_t i = 0; i < all.size(); ++i)
    all[i] = task.kind->shots == Shots::others
                 ? draw_others(shots, num_fewshot, task.docs[i], random)
                 : draw(shots, num_fewshot, random);
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
    prompt.truncated |= cut(prompt.requests, max_length, new_tokens, doc.where);
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

}  // namespace tptt
