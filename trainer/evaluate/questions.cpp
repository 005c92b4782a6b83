#include "trainer/evaluate/questions.h"

#include "data/dataset.h"
#include "trainer/evaluate/sample.h"
#include "trainer/generate.h"
#include "trainer/progress.h"

namespace tptt {
namespace {

constexpr int64_t kAnswerTokens = 64;

std::string prompt_text(const Row& row) {
  if (row.messages.empty()) return row.prompt;
  if (row.messages.size() == 2) return row.messages[0].content;
  std::string text;
  for (size_t i = 0; i + 1 < row.messages.size(); ++i)
    text += (i > 0 ? "\n\n" : "") + row.messages[i].role + ": " + row.messages[i].content;
  return text;
}

}  // namespace

std::vector<Question> questions_of(const std::vector<Row>& rows, const Config& config,
                                   const CausalLM& model, const Tokenizer& tokenizer) {
  std::vector<Question> questions;
  for (const Row& row : rows) {
    TokenIds ids = prompt_ids(model, tokenizer, config.data.chat_template, row);
    if (ids.empty() || int64_t(ids.size()) > config.data.max_length) continue;
    questions.push_back({prompt_text(row), expected_answer(row), std::move(ids)});
  }
  return questions;
}

std::vector<Answer> answer(const CausalLM& model, const Tokenizer& tokenizer,
                           const std::vector<Question>& questions, int64_t max_tokens) {
  std::vector<Answer> answers;
  const int64_t most = int64_t(questions.size()) * kAnswerTokens;
  int64_t written = 0;
  const auto show = [&](size_t, int32_t) { show_count("tokens of answers", ++written, most); };
  while (answers.size() < questions.size()) {
    std::vector<TokenIds> prompts;
    int64_t tokens = 0;
    for (size_t i = answers.size(); i < questions.size(); ++i) {
      tokens += int64_t(questions[i].ids.size());
      if (!prompts.empty() && tokens > max_tokens) break;
      prompts.push_back(questions[i].ids);
    }
    for (const TokenIds& ids : generate(model, prompts, {.max_new_tokens = kAnswerTokens}, show)) {
      const Question& question = questions[answers.size()];
      answers.push_back({question.prompt, question.expected, tokenizer.decode(ids, true)});
    }
  }
  show_count("tokens of answers", most, most);
  return answers;
}

}  // namespace tptt
