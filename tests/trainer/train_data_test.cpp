#include "trainer/train_data.h"

#include <catch2/catch.hpp>

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
  TrainingData load() { return load_training_data(config, *load_tokenizer(files), files); }
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
