#include "trainer/evaluate/prompts.h"

#include "data/tasks/task.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"
#include "tests/temp_dir.h"
#include "tests/trainer/tiny_run.h"

using namespace tptt;

namespace {

Task subject(const std::string& name, Protocol protocol, int64_t shots) {
  return load_tasks({.name = "mmlu_" + name,
                     .data = std::string(TPTT_SOURCE_DIR) + "/tests/golden/benchmarks/mmlu",
                     .num_fewshot = shots,
                     .protocol = protocol})[0];
}

}  // namespace

TEST_CASE("MMLU is asked as the original harnesses ask it, character by character", "[golden]") {
  const auto [file, protocol] = GENERATE(std::pair("hendrycks.json", Protocol::hendrycks),
                                         std::pair("lighteval.json", Protocol::lighteval));
  const Json prompts = read_json_file(golden_dir() + "/benchmarks/expected/" + file);
  REQUIRE(prompts.size() >= 4);
  for (const auto& [name, texts] : prompts.items()) {  // "virology 5"
    INFO(file << ", " << name);
    const size_t blank = name.find(' ');
    const Task task = subject(name.substr(0, blank), protocol, std::stoi(name.substr(blank)));
    const auto shots = choose_shots(task);
    REQUIRE(task.docs.size() == texts.size());
    for (size_t i = 0; i < texts.size(); ++i)
      CHECK(shots_text(task, shots[i]) + task.docs[i].context() == texts[i].get<std::string>());
  }
}

TEST_CASE("a prompt that is too long loses before each choice what does not fit with it") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const auto tokenizer = load_tokenizer(find_model((dir.path / "model").string()));
  Task task;
  task.name = "custom_choice";
  task.kind = &find_task_kind(task.name);
  task.docs = {
      {"here", {"one two three four five six seven eight"}, {"no", "a longer answer"}, {0}}};
  const auto whole = make_prompts(task, *tokenizer, 1000, 0)[0];
  REQUIRE(whole.requests.size() == 1);
  CHECK_FALSE(whole.truncated);
  const TokenIds& context = whole.requests[0].context;
  const auto& choices = whole.requests[0].continuations;
  const int64_t most = int64_t(choices[1].size()) + 2;
  const auto cut = make_prompts(task, *tokenizer, most, 0)[0];
  CHECK(cut.truncated);
  REQUIRE(cut.requests.size() == 2);
  for (size_t c = 0; c < 2; ++c) {
    REQUIRE(cut.requests[c].continuations == std::vector<TokenIds>{choices[c]});
    const TokenIds& left = cut.requests[c].context;  // (context + choice)[-(most + 1):]
    REQUIRE(left.size() == std::min(context.size(), size_t(most) + 1 - choices[c].size()));
    CHECK(std::equal(left.rbegin(), left.rend(), context.rbegin()));
  }
  const auto written = make_prompts(task, *tokenizer, 6, 4)[0];  // max_length - max_gen_toks
  CHECK(written.requests[0].context.size() == 2);
}

TEST_CASE("a question is not among its own shots, however often its row is there") {
  Task task;
  task.name = "piqa";
  task.kind = &find_task_kind(task.name);
  const Doc question{"1", {"Question: a"}, {"x", "y"}, {0}},
      other{"2", {"Question: a"}, {"x", "z"}, {0}};
  task.docs = {question, question};
  task.shots = {question, question, question, other, question};
  task.num_fewshot = 1;
  for (const auto& shots : choose_shots(task)) {
    REQUIRE(shots.size() == 1);
    CHECK(shots[0]->choices == other.choices);
  }
}
