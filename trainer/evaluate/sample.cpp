#include "trainer/evaluate/sample.h"

#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>

#include "data/collate.h"
#include "models/formats/error.h"
#include "trainer/evaluate/targets.h"
#include "trainer/generate.h"
#include "trainer/progress.h"

namespace tptt {
namespace {

constexpr int64_t kAnswerTokens = 48;

std::string stripped(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// Indices of the examples from the shortest on, in batches of at most `max_tokens` tokens or one.
std::vector<std::vector<int64_t>> batches_by_length(const std::vector<Example>& examples,
                                                    int64_t max_tokens) {
  std::vector<int64_t> order(examples.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return examples[a].ids.size() < examples[b].ids.size();
  });
  std::vector<std::vector<int64_t>> batches;
  int64_t tokens = 0;
  for (const int64_t i : order) {
    tokens += int64_t(examples[i].ids.size());
    if (batches.empty() || tokens > max_tokens) {
      batches.emplace_back();
      tokens = int64_t(examples[i].ids.size());
    }
    batches.back().push_back(i);
  }
  return batches;
}

}  // namespace

std::string expected_answer(const Row& row) {
  return stripped(row.messages.empty() ? row.completion : row.messages.back().content);
}

// Of the system texts the row's own stays, in front of the shots.
TokenIds prompt_ids(const CausalLM& model, const Tokenizer& tokenizer,
                    const std::string& chat_template, const Row& row,
                    const std::vector<Row>& shot_rows, int64_t shots) {
  const bool system = !row.messages.empty() && row.messages[0].role == "system";
  std::vector<Message> turns(row.messages.begin(), row.messages.begin() + system);
  std::string text;
  for (int64_t i = 0; i < shots; ++i) {
    const Row& shot = shot_rows[i];
    std::copy_if(shot.messages.begin(), shot.messages.end(), std::back_inserter(turns),
                 [](const Message& m) { return m.role != "system"; });
    text += shot.prompt + shot.completion + "\n";
  }
  if (row.messages.empty()) return encode_prompt(text + row.prompt, tokenizer);
  turns.insert(turns.end(), row.messages.begin() + system, row.messages.end() - 1);
  return encode_chat_prompt(turns, tokenizer, model.config.first_eos(), chat_template);
}

LossScore evaluate_loss(const CausalLM& model, const std::vector<Example>& examples,
                        int64_t max_tokens, Branch branch, const ProcessGroup& group) {
  c10::AutoGradMode no_grad(false);
  const auto batches = batches_by_length(examples, max_tokens);
  std::vector<double> sums(examples.size());  // of the examples' losses; 0: of another process
  int64_t done = 0;
  for (size_t i = 0; i < batches.size(); ++i) {
    done += int64_t(batches[i].size());
    if (!group.share().has(int64_t(i))) continue;
    const Batch batch = collate(examples, batches[i], model.config.vocab_size, model.device());
    const at::Tensor hidden =
        model.hidden(batch.ids, model.context(batch.lengths, {.branch = branch}));
    const auto tokens = score_rows(model, hidden.index_select(0, batch.target_rows), batch.targets);
    auto token = tokens.begin();
    for (const int64_t example : batches[i])
      for (int64_t t = examples[example].num_target_tokens(); t > 0; --t)
        sums[example] -= (token++)->log_prob;
    show_count("examples scored", done, int64_t(examples.size()));
  }
  sums = group.sum(sums);
  LossScore score;
  for (size_t i = 0; i < examples.size(); ++i) {
    score.examples.push_back({sums[i], examples[i].num_target_tokens()});
    score.num_target_tokens += score.examples.back().num_target_tokens;
  }
  score.loss = mean_loss(score.examples);
  return score;
}

ExactMatchScore evaluate_exact_match(const CausalLM& model, const Tokenizer& tokenizer,
                                     const std::string& chat_template, const std::vector<Row>& rows,
                                     const std::vector<Row>& shot_rows, int64_t shots,
                                     int64_t batch_size, Branch branch) {
  if (shots > int64_t(shot_rows.size()))
    throw UsageError("--num-fewshot " + std::to_string(shots) + ": the shot file has " +
                     std::to_string(shot_rows.size()) + " rows");
  ExactMatchScore score;
  for (size_t begin = 0; begin < rows.size(); begin += size_t(batch_size)) {
    const size_t end = std::min(rows.size(), begin + size_t(batch_size));
    std::vector<TokenIds> prompts;
    for (size_t i = begin; i < end; ++i)
      prompts.push_back(prompt_ids(model, tokenizer, chat_template, rows[i], shot_rows, shots));
    GenerateOptions options;
    options.max_new_tokens = kAnswerTokens;
    options.branch = branch;
    const auto answers = generate(model, prompts, options);
    for (size_t i = begin; i < end; ++i) {
      score.answers.push_back(stripped(tokenizer.decode(answers[i - begin], true)));
      score.correct += score.answers.back() == expected_answer(rows[i]);
      ++score.total;
    }
    show_count("answers", score.total, int64_t(rows.size()));
  }
  return score;
}

}  // namespace tptt
