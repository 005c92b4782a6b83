#include "trainer/train_data.h"

#include <ATen/ops/equal.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "models/formats/error.h"
#include "tests/temp_dir.h"
#include "tests/trainer/tiny_run.h"

using namespace tptt;
using Catch::Contains;

namespace {

/// A model's files and a configuration that trains on one file.
struct TinyData {
  TempDir dir;
  Config config;
  ModelFiles files;

  explicit TinyData(const std::string& rows, const std::string& name = "a.jsonl") {
    write_tiny_model(dir.path);
    files = find_model((dir.path / "model").string());
    config.data.train = {{.path = add(name, rows)}};
    config.data.chat_template = "chatml";
    config.data.packing = false;
  }
  std::string add(const std::string& name, const std::string& text) const {
    write_text(dir.path / name, text);
    return (dir.path / name).string();
  }
  TrainingData load() {
    return load_training_data(config, *load_tokenizer(files), files,
                              config.training.gradient_accumulation_steps);
  }
  std::string refusal() {
    return message_of<UsageError>([&] { load(); });
  }
};

const std::string kChat =
    R"({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]})"
    "\n";
const std::string kPlain = R"({"prompt": "p", "completion": "c"})"
                           "\n";

}  // namespace

TEST_CASE("settings without effect on the data are refused by name") {
  TinyData chat(kChat), plain(kPlain);
  chat.config.data.completion_only_loss = false;
  CHECK_THAT(chat.refusal(), Contains("data.completion_only_loss: false has no effect") &&
                                 Contains("data.assistant_only_loss"));
  plain.config.data.assistant_only_loss = false;
  CHECK_THAT(plain.refusal(), Contains("data.assistant_only_loss: false has no effect") &&
                                  Contains("data.completion_only_loss"));
  plain.config.data.train.push_back({.path = plain.add("b.jsonl", kChat)});
  CHECK(plain.load().train.size() == 2);
  plain.config.data.prompt_template = "{x}";
  CHECK_THAT(plain.refusal(), Contains("data.prompt_template has no effect"));
  plain.config.data.prompt_template = "";
  plain.config.data.columns.prompt = "question";
  CHECK_THAT(plain.refusal(), Contains("data.columns.prompt: no row has a field 'question'"));
}

TEST_CASE("columns and the template reach the files") {
  TinyData data(R"({"question": "q", "answer": "a"})"
                "\n");
  data.config.data.prompt_template = "{question}";
  data.config.data.columns.completion = "answer";
  CHECK(data.load().train.size() == 1);
}

namespace {

std::string plain_rows(int count, const std::string& completion = "c") {
  std::string rows;
  for (int i = 0; i < count; ++i)
    rows +=
        "{\"prompt\": \"p" + std::to_string(i) + "\", \"completion\": \"" + completion + "\"}\n";
  return rows;
}

std::multiset<TokenIds> ids_of(const std::vector<Example>& examples) {
  std::multiset<TokenIds> ids;
  for (const Example& example : examples) ids.insert(example.ids);
  return ids;
}

}  // namespace

TEST_CASE("eval_split holds rows out of all training files before weights") {
  TinyData data(plain_rows(40));
  data.config.data.train.push_back({.path = data.add("b.jsonl", plain_rows(10, "d")), .weight = 3});
  const auto all = ids_of(data.load().train);
  CHECK(all.size() == 70);
  data.config.data.eval_split = 0.2;
  const TrainingData split = data.load();
  CHECK(split.eval.size() == 10);
  const auto train = ids_of(split.train), eval = ids_of(split.eval);
  for (const TokenIds& ids : eval) {
    CHECK(all.count(ids) > 0);
    CHECK(train.count(ids) == 0);
  }
  CHECK(ids_of(data.load().eval) == eval);
  data.config.training.seed = 7;
  CHECK(ids_of(data.load().eval) != eval);
  data.config.data.eval_split = 50;
  CHECK_THAT(data.refusal(), Contains("data.eval_split holds out 50 of 50 rows"));
}

TEST_CASE("a weight takes half of a file's rows or each twice") {
  TinyData data(plain_rows(40));
  data.config.data.train[0].weight = 0.5;
  const auto half = ids_of(data.load().train);
  CHECK(half.size() == 20);
  CHECK(ids_of(data.load().train) == half);
  data.config.data.train[0].weight = 2;
  const auto twice = ids_of(data.load().train);
  CHECK(twice.size() == 80);
  for (const TokenIds& ids : twice) CHECK(twice.count(ids) == 2);
  data.config.data.train[0].weight = 0.01;
  CHECK_THAT(data.refusal(), Contains("with weight 0.01") && Contains("none of its 40 rows"));
}

TEST_CASE("the parts of a document stay together") {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "word" + std::to_string(i) + " ";
  TinyData data(text, "a.txt");
  data.config.data.max_length = 64;
  const size_t parts = data.load().train.size();
  CHECK(parts > 5);
  data.config.data.train[0].weight = 2;
  CHECK(data.load().train.size() == 2 * parts);
}

TEST_CASE("grouping by length gives steps that a resumed run repeats") {
  std::string rows;
  for (int i = 0; i < 64; ++i)
    rows +=
        R"({"prompt": "p", "completion": ")" + std::string(size_t(i * 7 % 50 + 1), 'c') + "\"}\n";
  TinyData data(rows);
  data.config.data.group_by_length = true;
  data.config.training.per_device_train_batch_size = 4;
  const TrainingData loaded = data.load();
  std::multiset<std::vector<int64_t>> whole;
  for (int64_t step = 0; step < steps_per_epoch(data.config, loaded); ++step)
    for (const Batch& batch : step_batches(data.config, loaded, 1024, at::kCPU, step).batches)
      whole.insert(batch.lengths);
  CHECK(whole.size() == 16);
  for (const auto& lengths : whole) CHECK(std::is_sorted(lengths.rbegin(), lengths.rend()));
  const auto first = [&](int64_t step) {
    return step_batches(data.config, loaded, 1024, at::kCPU, step).batches[0].ids;
  };
  CHECK(first(19).equal(first(19)));
  CHECK_FALSE(first(3).sizes() == first(19).sizes());
}

TEST_CASE("the log tells formats, bad rows, repeats and what is trained on and scored") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string config = write_tiny_config(dir.path, 12);
  write_text(dir.path / "rows.jsonl", plain_rows(12) + "{broken\n" + plain_rows(3));
  const std::string path = (dir.path / "rows.jsonl").string();
  const std::string text = run_tptt("train " + config + " --dry-run data.skip_bad_rows=true").text;
  CHECK_THAT(text, Contains("train: " + path + " is JSON, format prompt-completion, 15 rows"));
  CHECK_THAT(text, Contains("skipped " + path + ":13: no valid JSON"));
  CHECK_THAT(text, Contains(path + ": 1 bad rows skipped (1 of them listed)"));
  CHECK_THAT(text, Contains("3 training rows are repeats of others; the first: " + path +
                            ":14 says the same as " + path + ":1"));
  CHECK_THAT(text, Contains("4 held-out rows are trained on too; the first: " + path +
                            ":1 says the same as " + path + ":1"));
  const Outcome strict = run_tptt("train " + config + " --dry-run");
  CHECK(strict.code == 1);
  CHECK_THAT(strict.text, Contains(path + ":13: no valid JSON"));
}

// trl #805, #1230, LLaMA-Factory #2289: in a pack the end of one row predicted the start of the
// next.
TEST_CASE("no target of a packed row depends on the row before it") {
  TinyData data(plain_rows(20));
  for (const bool whole : {false, true}) {
    data.config.data.packing = true;
    data.config.data.completion_only_loss = !whole;
    const TrainingData packed = data.load();
    REQUIRE(packed.items.size() < packed.train.size());
    data.config.data.packing = false;
    const TrainingData alone = data.load();
    int64_t targets = 0;
    for (const std::vector<int64_t>& item : packed.items) {
      const Batch batch = collate(packed.train, item, 1024, at::kCPU);
      std::set<int64_t> ends;  // positions of rows' last tokens
      int64_t end = -1;
      for (const int64_t length : batch.lengths) ends.insert(end += length);
      for (int64_t i = 0; i < batch.target_rows.numel(); ++i)
        CHECK(ends.count(batch.target_rows[i].item<int64_t>()) == 0);
      targets += batch.targets.numel();
    }
    int64_t expected = 0;
    for (const Example& example : alone.train) expected += example.num_target_tokens();
    CHECK(targets == expected);
  }
}
