#include "trainer/evaluate/sample.h"

#include <ATen/Context.h>

#include "tests/catch.h"
#include "tests/models/tiny_model.h"
#include "tests/temp_dir.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/evaluate/questions.h"
#include "trainer/loss.h"
#include "trainer/train_data.h"

using namespace tptt;

TEST_CASE("every example's loss is what it has alone, in the examples' order") {
  const auto model = load_tiny("gqa_bias_bf16_sharded");
  const int64_t vocab = model->config.vocab_size;
  std::vector<Example> examples(4);
  int32_t id = 0;
  for (size_t i = 0; i < examples.size(); ++i)
    for (size_t t = 0; t < 3 + 50 * ((i + 2) % 4); ++t) {
      examples[i].ids.push_back((id += 7) % int32_t(vocab));
      examples[i].train.push_back(t > 1);
    }
  const LossScore score = evaluate_loss(*model, examples, 100);
  REQUIRE(score.examples.size() == examples.size());
  double sum = 0;
  for (size_t i = 0; i < examples.size(); ++i) {
    const Batch one = collate(examples, {int64_t(i)}, vocab, at::kCPU);
    CHECK(score.examples[i].sum == Approx(batch_loss(*model, one).item<double>()).epsilon(1e-5));
    CHECK(score.examples[i].num_target_tokens == one.targets.numel());
    sum += score.examples[i].sum;
  }
  CHECK(score.loss == Approx(sum / double(score.num_target_tokens)));
}

TEST_CASE("the report's questions are the first rows that can be asked") {
  const TempDir dir;
  write_tiny_model(dir.path);
  Config config = load_config(write_tiny_config(dir.path), {});
  const auto model = load_dir((dir.path / "model").string());
  const auto tokenizer = load_tokenizer(find_model((dir.path / "model").string()));
  const ModelFiles files = find_model((dir.path / "model").string());
  const auto asked = [&] {
    const auto rows = load_training_data(config, *tokenizer, files, 1).first_rows;
    return questions_of(rows, config, *model, *tokenizer);
  };
  CHECK(asked().size() == 4);  // data.eval's limit
  config.data.eval.clear();
  config.data.eval_split = 3;
  CHECK(asked().size() == 3);
  config.data.eval_split = 0;
  const auto ten = asked();
  REQUIRE(ten.size() == 10);
  CHECK(ten[1].prompt == "count to 1:");
  CHECK(ten[1].expected == "xx done");
  const auto together = answer(*model, *tokenizer, ten, 10000),
             alone = answer(*model, *tokenizer, ten, 1);
  REQUIRE(together.size() == 10);
  REQUIRE(alone.size() == 10);
  for (size_t i = 0; i < 10; ++i) {
    CHECK(together[i].prompt == ten[i].prompt);
    CHECK(together[i].text == alone[i].text);
  }
  CHECK(answer(*model, *tokenizer, {}, 100).empty());
  config.data.max_length = int64_t(ten[0].ids.size()) - 1;
  CHECK(questions_of(read_rows((dir.path / "rows.jsonl").string(), "auto", 0), config, *model,
                     *tokenizer)
            .empty());
  config.data.max_length = 64;
  config.data.chat_template = "chatml";
  write_text(
      dir.path / "rows.jsonl",
      R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, )"
      R"({"role": "assistant", "content": " a "}]})"
      "\n"
      R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "b"}]})");
  const auto chats = asked();
  REQUIRE(chats.size() == 2);
  CHECK(chats[0].prompt == "system: s\n\nuser: u");
  CHECK(chats[0].expected == "a");
  CHECK(chats[1].prompt == "u");
}
