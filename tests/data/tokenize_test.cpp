#include <algorithm>
#include <catch2/catch.hpp>

#include "data/dataset.h"
#include "models/formats/error.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

constexpr int32_t kBos = 256, kEos = 257;

/// Bytes as ids but for <s> and </s>, with the special tokens a post-processor would add.
class ByteTokenizer : public Tokenizer {
 public:
  explicit ByteTokenizer(bool adds_bos = false, bool adds_eos = false)
      : adds_bos_(adds_bos), adds_eos_(adds_eos) {}

  TokenIds encode(std::string_view text, bool add_special = false,
                  std::vector<size_t>* offsets = nullptr) const override {
    TokenIds ids;
    if (add_special && adds_bos_) ids.push_back(kBos);
    for (size_t at = 0; at < text.size();) {
      const bool bos = text.substr(at, 3) == "<s>", eos = text.substr(at, 4) == "</s>";
      if (offsets) offsets->push_back(at);
      ids.push_back(bos ? kBos : eos ? kEos : uint8_t(text[at]));
      at += bos ? 3 : eos ? 4 : 1;
    }
    if (add_special && adds_eos_) ids.push_back(kEos);
    return ids;
  }
  std::vector<DecoderStep> decoder() const override { return {}; }
  std::string token(int32_t id) const override {
    return id == kEos ? "</s>" : std::string(1, char(id));
  }
  std::string token_bytes(int32_t id) const override { return std::string(1, char(id)); }
  bool is_special(int32_t id) const override { return id >= kBos; }
  int64_t vocab_size() const override { return 258; }
  std::optional<int32_t> token_id(std::string_view) const override { return {}; }
  std::string chat_template_text() const override { return ""; }

 private:
  bool adds_bos_, adds_eos_;
};

Row plain(const std::string& prompt, const std::string& completion) {
  return {.prompt = prompt, .completion = completion, .where = "file.jsonl:7"};
}

const Row kChat = {
    .messages = {{"user", "hi"}, {"assistant", "yes"}, {"user", "so"}, {"assistant", "no"}},
    .where = "chat.jsonl:1"};

Row document(const std::string& text) {
  return {.completion = text, .where = "file.txt", .is_document = true};
}

TokenizeOptions options(int64_t max_length = 384, const std::string& strategy = "truncate",
                        const std::string& chat_template = "chatml") {
  TokenizeOptions out;
  out.chat_template = chat_template;
  out.max_length = max_length;
  out.excess_length_strategy = strategy;
  return out;
}

std::string trained_text(const Example& example) {
  std::string text;
  for (size_t i = 0; i < example.ids.size(); ++i)
    if (example.train[i]) text += example.ids[i] == kEos ? '$' : char(example.ids[i]);
  return text;
}

}  // namespace

TEST_CASE("a prompt-completion row ends with one EOS and trains on its completion") {
  const auto out = tokenize_rows({plain("ab", "cd")}, ByteTokenizer(), kEos, options());
  REQUIRE(out.examples.size() == 1);
  CHECK(out.examples[0].ids == TokenIds{'a', 'b', 'c', 'd', kEos});
  CHECK(trained_text(out.examples[0]) == "cd$");
  CHECK(out.examples[0].num_target_tokens() == 3);
  // The completion's own end token is not doubled.
  const auto ended = tokenize_rows({plain("ab", "c!")}, ByteTokenizer(), '!', options());
  CHECK(ended.examples[0].ids == TokenIds{'a', 'b', 'c', '!'});
}

// mlabonne/llm-course #33, unsloth #416: with pad = eos, a mask by id stops a model from ending.
TEST_CASE("EOS trains by its place in the answer, not by its id") {
  const auto out =
      tokenize_rows({plain("a</s>b", "c</s>d")}, ByteTokenizer(false, true), kEos, options());
  CHECK(out.examples[0].ids == TokenIds{'a', kEos, 'b', 'c', kEos, 'd', kEos});
  CHECK(trained_text(out.examples[0]) == "c$d$");
  const auto chat =
      tokenize_rows({kChat}, ByteTokenizer(), kEos, options(384, "truncate", "zephyr"));
  CHECK(trained_text(chat.examples[0]) == "yes$no$");  // a user's turn ends with it too
  CHECK(std::count(chat.examples[0].ids.begin(), chat.examples[0].ids.end(), kEos) == 4);
}

// huggingface/open-r1 #462, OpenRLHF #393.
TEST_CASE("BOS is added once, EOS of the post-processor never") {
  const auto out = tokenize_rows({plain("a", "b")}, ByteTokenizer(true, true), kEos, options());
  CHECK(out.examples[0].ids == TokenIds{kBos, 'a', 'b', kEos});
  const auto chat = tokenize_rows({kChat}, ByteTokenizer(true), kEos, options());
  CHECK(chat.examples[0].ids[0] == kBos);
  CHECK(chat.examples[0].ids[1] == '<');
  CHECK(trained_text(chat.examples[0]) == "yes<|im_end|>no<|im_end|>");
}

// The same threads: the template writes BOS and the tokenizer would add another.
TEST_CASE("BOS that a chat template writes is not doubled") {
  for (const bool adds_bos : {false, true}) {
    const auto out = tokenize_rows({kChat}, ByteTokenizer(adds_bos), kEos,
                                   options(384, "truncate", "mistral-v3-tekken"));
    const TokenIds& ids = out.examples[0].ids;
    CHECK(ids[0] == kBos);
    CHECK(std::count(ids.begin(), ids.end(), kBos) == 1);
    CHECK(trained_text(out.examples[0]) == "yes$no$");
  }
}

TEST_CASE("a prompt's ids begin the trained row") {
  const std::vector<Message> asked(kChat.messages.begin(), kChat.messages.end() - 1);
  for (const char* name : {"chatml", "zephyr", "llama2", "gemma3", "alpaca", "qwen3-nothink"}) {
    INFO(name);
    const ByteTokenizer tokenizer(true, true);
    const auto out = tokenize_rows({kChat}, tokenizer, kEos, options(999, "truncate", name));
    const TokenIds prompt = encode_chat_prompt(asked, tokenizer, kEos, name);
    const Example& row = out.examples[0];
    REQUIRE(prompt.size() < row.ids.size());
    CHECK(std::equal(prompt.begin(), prompt.end(), row.ids.begin()));
    CHECK(row.train[prompt.size()]);
    CHECK_FALSE(row.train[prompt.size() - 1]);
  }
}

TEST_CASE("a plain prompt's ids begin the trained row") {
  for (const char* text : {"ab", "<s>ab"}) {
    const ByteTokenizer tokenizer(true, true);
    const auto out = tokenize_rows({plain(text, "cd")}, tokenizer, kEos, options());
    const TokenIds prompt = encode_prompt(text, tokenizer);
    CHECK(prompt == TokenIds{kBos, 'a', 'b'});
    CHECK(std::equal(prompt.begin(), prompt.end(), out.examples[0].ids.begin()));
  }
  CHECK(encode_prompt("", ByteTokenizer()).empty());
}

TEST_CASE("an EOS that the tokenizer does not have is refused") {
  CHECK_THROWS_WITH(tokenize_rows({kChat}, ByteTokenizer(), 300, options()),
                    Contains("eos_token_id 300") && Contains("258 tokens"));
}

TEST_CASE("a conversation its template cannot hold is refused by file and line") {
  const Row row = {.messages = {{"system", "be"}, {"user", "a"}, {"assistant", "b"}},
                   .where = "chat.jsonl:3"};
  const auto rows = [&](const char* name, int32_t eos) {
    return tokenize_rows({row}, ByteTokenizer(), eos, options(384, "truncate", name));
  };
  CHECK_THROWS_WITH(rows("gemma2", kEos),
                    Contains("chat.jsonl:3: messages[0]: role 'system', expected 'user'"));
  CHECK_THROWS_WITH(rows("zephyr", -1), Contains("chat.jsonl:3") && Contains("eos_token_id"));
}

TEST_CASE("assistant turns and their end tokens train") {
  const auto out = tokenize_rows({kChat}, ByteTokenizer(), kEos, options());
  CHECK(trained_text(out.examples[0]) == "yes<|im_end|>no<|im_end|>");
}

TEST_CASE("without completion-only loss all but the first token trains") {
  TokenizeOptions all = options();
  all.completion_only_loss = false;
  const auto out = tokenize_rows({plain("ab", "cd")}, ByteTokenizer(true), kEos, all);
  CHECK(out.examples[0].train == std::vector<bool>{false, true, true, true, true, true});
  CHECK(out.examples[0].num_target_tokens() == 5);
  CHECK(trained_text(tokenize_rows({kChat}, ByteTokenizer(), kEos, all).examples[0]) ==
        "yes<|im_end|>no<|im_end|>");
}

TEST_CASE("without assistant-only loss a whole conversation trains") {
  TokenizeOptions all = options();
  all.assistant_only_loss = false;
  const auto out = tokenize_rows({kChat, plain("ab", "cd")}, ByteTokenizer(), kEos, all);
  CHECK(out.examples[0].num_target_tokens() == int64_t(out.examples[0].ids.size()) - 1);
  CHECK(trained_text(out.examples[1]) == "cd$");
  Row marked = kChat;
  marked.messages[1].train = false;
  CHECK_THROWS_WITH(tokenize_rows({marked}, ByteTokenizer(), kEos, all),
                    Contains("chat.jsonl:1: message 1") && Contains("data.assistant_only_loss"));
}

TEST_CASE("messages train as the data say") {
  Row row = kChat;
  row.messages[1].train = false;
  row.messages[2].train = true;
  for (const auto& [name, trained] :
       {std::pair("chatml", "sono<|im_end|>"), std::pair("zephyr", "sono$"),
        std::pair("llama2", "sono$"), std::pair("alpaca", "sono$")}) {
    INFO(name);
    const auto out = tokenize_rows({row}, ByteTokenizer(), kEos, options(999, "truncate", name));
    std::string text = trained_text(out.examples[0]);
    std::erase(text, ' ');
    CHECK(text == trained);
  }
}

TEST_CASE("a document longer than max_length becomes several examples") {
  const auto out =
      tokenize_rows({document("abcdefg"), document("hi")}, ByteTokenizer(true), kEos, options(4));
  REQUIRE(out.examples.size() == 3);
  CHECK(out.examples[0].ids == TokenIds{kBos, 'a', 'b', 'c'});
  CHECK(out.examples[1].ids == TokenIds{'d', 'e', 'f', 'g'});
  CHECK(out.examples[1].train == std::vector<bool>{false, true, true, true});
  CHECK(out.examples[2].ids == TokenIds{kBos, 'h', 'i', kEos});  // EOS alone has no target
  CHECK(out.rows == std::vector<int64_t>{0, 0, 1});
  CHECK(out.num_split == 1);
  CHECK(out.num_truncated == 0);
  CHECK(tokenize_rows({document("abcdefg"), document("hi")}, ByteTokenizer(), kEos,
                      options(4, "drop"))
            .examples.size() == 1);
  CHECK_THROWS_WITH(
      tokenize_rows({document("abcdefg")}, ByteTokenizer(), kEos, options(4, "raise")),
      Contains("file.txt: row has 8 tokens"));
}

// datasets #1830, #2294: preparing data takes longer than it should; here on all cores.
TEST_CASE("rows keep their order and bytes on any number of threads") {
  std::vector<Row> rows;
  for (int i = 0; i < 1000; ++i)
    rows.push_back(i % 7 == 0 ? document(std::string(size_t(i % 90 + 1), 'd'))
                              : plain("prompt " + std::to_string(i), std::string(i % 50 + 1, 'c')));
  TokenizeOptions one = options(32);
  one.num_threads = 1;
  const auto alone = tokenize_rows(rows, ByteTokenizer(), kEos, one);
  for (const int64_t threads : {0, 2, 3, 16}) {
    TokenizeOptions many = options(32);
    many.num_threads = threads;
    const auto out = tokenize_rows(rows, ByteTokenizer(), kEos, many);
    REQUIRE(out.examples.size() == alone.examples.size());
    for (size_t i = 0; i < out.examples.size(); ++i) {
      CHECK(out.examples[i].ids == alone.examples[i].ids);
      CHECK(out.examples[i].train == alone.examples[i].train);
    }
    CHECK(out.rows == alone.rows);
    CHECK(out.num_truncated == alone.num_truncated);
  }
}

TEST_CASE("of several broken rows the first is named whatever the threads") {
  std::vector<Row> rows(1000, plain("a", "b"));
  for (size_t i = 130; i < rows.size(); i += 30) {
    rows[i] = plain("abcdefgh", "c");
    rows[i].where = "file.jsonl:" + std::to_string(i);
  }
  for (int run = 0; run < 50; ++run) {
    TokenizeOptions many = options(6, "raise");
    many.num_threads = 4;
    CHECK_THROWS_WITH(tokenize_rows(rows, ByteTokenizer(), kEos, many),
                      Contains("file.jsonl:130:"));
  }
}

TEST_CASE("an empty prompt leaves the first token without a target") {
  const auto out = tokenize_rows({plain("", "cd")}, ByteTokenizer(), kEos, options());
  CHECK(trained_text(out.examples[0]) == "d$");
}

TEST_CASE("long rows are truncated, dropped or refused") {
  const std::vector<Row> rows = {plain("ab", "c"), plain("ab", "cdefgh"), plain("abcdefgh", "i")};
  const auto cut = tokenize_rows(rows, ByteTokenizer(), kEos, options(6));
  REQUIRE(cut.examples.size() == 2);
  CHECK(cut.num_truncated == 1);
  CHECK(cut.num_dropped == 1);  // its answer lies behind the cut
  CHECK(trained_text(cut.examples[1]) == "cdef");

  const auto dropped = tokenize_rows(rows, ByteTokenizer(), kEos, options(6, "drop"));
  CHECK(dropped.examples.size() == 1);
  CHECK(dropped.num_truncated == 0);
  CHECK(dropped.num_dropped == 2);

  CHECK_THROWS_WITH(tokenize_rows(rows, ByteTokenizer(), kEos, options(6, "raise")),
                    Contains("file.jsonl:7") && Contains("9 tokens") && Contains("max_length 6"));
}

TEST_CASE("nothing left to train on is an error that says why") {
  CHECK_THROWS_WITH(tokenize_rows({plain("abcdef", "g")}, ByteTokenizer(), kEos, options(4)),
                    Contains("file.jsonl:7") && Contains("1 are longer than data.max_length 4"));
  CHECK_THROWS_WITH(tokenize_rows({}, ByteTokenizer(), kEos, options()), Contains("empty"));
}

TEST_CASE("a model without EOS cannot take prompt-completion rows") {
  CHECK_THROWS_WITH(tokenize_rows({plain("a", "b")}, ByteTokenizer(), -1, options()),
                    Contains("file.jsonl:7") && Contains("eos_token_id"));
  CHECK_NOTHROW(tokenize_rows({kChat}, ByteTokenizer(), -1, options()));
}
