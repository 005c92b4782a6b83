#include "data/tokenizer.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "data/chat_templates.h"
#include "data/utf8.h"
#include "models/formats/error.h"
#include "models/formats/gguf_writer.h"
#include "models/formats/json.h"
#include "tests/temp_dir.h"

using namespace tptt;

namespace {

std::string golden_dir() {
  const char* made = std::getenv("TPTT_GOLDEN_DIR");
  return (made ? made : TPTT_SOURCE_DIR "/tests/golden") + std::string("/tokenizers");
}

ModelFiles in_gguf(const std::string& path) {
  ModelFiles files;
  files.gguf = path;
  return files;
}

ModelFiles in_dir(const std::string& path) {
  ModelFiles files;
  files.dir = path;
  return files;
}

std::string streamed(const Tokenizer& tokenizer, const TokenIds& ids) {
  StreamDecoder stream(tokenizer);
  std::string text;
  for (const int32_t id : ids) {
    text += stream.push(id);
    CHECK(valid_utf8_prefix(text) == text.size());
  }
  return text + stream.finish();
}

/// Each id's text lies at its offset; the offsets never go back.
void check_offsets(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<size_t> offsets;
  const TokenIds ids = tokenizer.encode(text, false, &offsets);
  REQUIRE(offsets.size() == ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    CHECK((i == 0 || offsets[i - 1] <= offsets[i]));
    CHECK(offsets[i] < text.size());
  }
}

/// The ids of a long text, where there is one (live runs with a corpus).
void check_corpus(const Tokenizer& tokenizer, const std::string& kind) {
  const std::string path = golden_dir() + "/" + kind + "/corpus.json";
  if (!std::filesystem::exists(path)) return;
  const Json texts = read_json_file(golden_dir() + "/corpus.json"), ids = read_json_file(path);
  REQUIRE((ids.size() > 100 && ids.size() <= texts.size()));
  for (size_t i = 0; i < ids.size(); ++i)
    CHECK(tokenizer.encode(texts[i].get<std::string>()) == ids[i].get<TokenIds>());
}

/// Compares ids and texts with the golden rows of a kind, one a text of texts.json.
void check_golden(const Tokenizer& tokenizer, const std::string& kind) {
  const Json texts = read_json_file(golden_dir() + "/texts.json");
  const Json golden = read_json_file(golden_dir() + "/" + kind + "/golden.json");
  const Json& rows = golden["rows"];
  REQUIRE((texts.size() > 80 && rows.size() == texts.size()));
  CHECK(tokenizer.encode("", true) == golden["special_ids"].get<TokenIds>());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].is_null()) continue;
    const std::string text = texts[i];
    INFO(kind << " " << texts[i].dump());
    const TokenIds ids = rows[i][0].get<TokenIds>();
    const auto expected = [&](size_t column) {
      return rows[i][column].is_null() ? text : rows[i][column].get<std::string>();
    };
    CHECK(tokenizer.encode(text) == ids);
    if (rows[i].size() == 3) CHECK(tokenizer.decode(ids) == expected(1));
    const std::string plain = expected(rows[i].size() - 1);
    CHECK(tokenizer.decode(ids, true) == plain);
    CHECK(streamed(tokenizer, ids) == plain);
    check_offsets(tokenizer, text);
  }
  check_corpus(tokenizer, kind);
}

const std::vector<std::string> kGgufKinds = {"qwen3", "smollm3", "gpt-2",  "olmo",
                                             "olmo2", "granite", "tekken", "phi4-mini"};

}  // namespace

// llama.cpp #3502, #7724, #7881: ids that are not those the model learned with.
TEST_CASE("tokenizer.json gives Hugging Face's ids and text", "[golden]") {
  std::vector<std::string> kinds = kGgufKinds;
  kinds.insert(kinds.end(), {"llama3", "qwen2", "gpt2", "prefix-space", "llama2", "mistral",
                             "gemma", "metaspace", "phi3"});
  for (const std::string& kind : kinds)
    check_golden(*load_tokenizer(in_dir(golden_dir() + "/" + kind)), kind);
}

TEST_CASE("GGUF gives the ids and text of the tokenizer it was made from", "[golden]") {
  std::vector<std::string> kinds = kGgufKinds;
  kinds.insert(kinds.end(), {"sp-bpe", "phi3"});
  for (const std::string& kind : kinds)
    check_golden(*load_tokenizer(in_gguf(golden_dir() + "/" + kind + "/tokenizer.gguf")), kind);
}

TEST_CASE("a GGUF that does not say how words are split is refused, but for GPT-2's") {
  const TempDir dir;
  const auto load = [&](const std::string& architecture) {
    const std::string path = (dir.path / (architecture + ".gguf")).string();
    const std::vector<GgufEntry> metadata = {
        {"general.architecture", GgufType::String, {}, architecture},
        {"tokenizer.ggml.model", GgufType::String, {}, std::string("gpt2")},
        {"tokenizer.ggml.tokens", GgufType::Array, GgufType::String,
         std::vector<std::string>{"a", "b", "ab"}},
        {"tokenizer.ggml.token_type", GgufType::Array, GgufType::I32,
         std::vector<int64_t>{1, 1, 1}},
        {"tokenizer.ggml.merges", GgufType::Array, GgufType::String,
         std::vector<std::string>{"a b"}}};
    write_gguf(path, metadata, {}, {});
    return load_tokenizer(in_gguf(path));
  };
  CHECK(load("gpt2")->encode("abb") == TokenIds{2, 1});
  CHECK_THAT(message_of<Error>([&] { load("llama"); }),
             Catch::Matchers::Contains("llama.gguf: tokenizer.ggml.pre is missing"));
}

TEST_CASE("tokenizer.model gives sentencepiece's ids and text", "[golden]") {
  for (const std::string kind : {"sp-bpe", "sp-unigram"})
    check_golden(*load_tokenizer(in_dir(golden_dir() + "/" + kind)), kind);
}

TEST_CASE("SmolLM2's tokenizer in GGUF gives Hugging Face's ids and text", "[golden]") {
  check_golden(*load_tokenizer(find_model("smollm2-135m-instruct")), "smollm2");
}

TEST_CASE("offsets name each token's first byte in the text") {
  const auto tokenizer = load_tokenizer(find_model(golden_dir() + "/qwen2"));
  const std::string text = "e\u0301 12 <|im_end|>naïve 🙂";
  std::vector<size_t> offsets;
  const TokenIds ids = tokenizer->encode(text, false, &offsets);
  REQUIRE(offsets.size() == ids.size());
  REQUIRE(offsets[0] == 0);
  for (size_t i = 0; i < ids.size(); ++i) {
    const size_t end = i + 1 < ids.size() ? offsets[i + 1] : text.size();
    REQUIRE(offsets[i] < end);  // NFC made fewer bytes of the first character
    if (offsets[i] > 0)
      CHECK(text.substr(offsets[i], end - offsets[i]) == tokenizer->token_bytes(ids[i]));
  }
}

TEST_CASE("a stream never shows half a character") {
  const auto tokenizer = load_tokenizer(in_dir(golden_dir() + "/gpt2"));
  const TokenIds ids = tokenizer->encode("\U0001FAE8 x");  // not in the training text: bytes
  REQUIRE(ids.size() == 5);                                // three for the character
  StreamDecoder stream(*tokenizer);
  for (size_t i = 0; i < 2; ++i) CHECK(stream.push(ids[i]).empty());
  CHECK(stream.push(ids[2]) == "\U0001FAE8");
  CHECK(stream.push(ids[0]).empty());
  CHECK(stream.finish() == "\uFFFD");
}

TEST_CASE("a run of byte tokens that is no text is shown as such, byte for byte") {
  const auto tokenizer = load_tokenizer(in_dir(golden_dir() + "/llama2"));
  const auto byte = [&](int value) { return 3 + value; };
  const TokenIds half = {byte(0xC3), byte('a'), *tokenizer->token_id("a")};
  CHECK(tokenizer->decode(half) == "\uFFFD\uFFFDa");
  CHECK(streamed(*tokenizer, half) == "\uFFFD\uFFFDa");
  const TokenIds whole = {byte(0xC3), byte(0xA9)};
  CHECK(streamed(*tokenizer, whole) == "\u00e9");
  StreamDecoder stream(*tokenizer);
  CHECK(stream.push(whole[0]).empty());
  CHECK(stream.push(whole[1]).empty());  // the run may go on
  CHECK(stream.push(half[2]) == "\u00e9a");
}

TEST_CASE("offsets count the text as it was, whatever is put before or in it") {
  struct Case {
    const char *kind, *text;
    std::vector<size_t> words;  // where the tokens with a space before them begin
  };
  for (const Case& c :
       {Case{"llama2", "ab cd<|custom|>ef", {0, 2, 15}},
        Case{"mistral", "ab cd<|custom|>ef", {0, 2}}, Case{"gemma", "ab cd<|custom|>ef", {2}}}) {
    INFO(c.kind);
    const auto tokenizer = load_tokenizer(in_dir(golden_dir() + "/" + c.kind));
    std::vector<size_t> offsets, words;
    const TokenIds ids = tokenizer->encode(c.text, false, &offsets);
    for (size_t i = 0; i < ids.size(); ++i)
      if (tokenizer->token(ids[i]).starts_with("\u2581")) words.push_back(offsets[i]);
    CHECK(words == c.words);
  }
}

TEST_CASE("a mask knows the pieces' borders, whatever the normaliser puts in") {
  for (const std::string kind : {"llama2", "mistral", "gemma", "sp-bpe", "qwen2"}) {
    INFO(kind);
    const auto tokenizer = load_tokenizer(in_dir(golden_dir() + "/" + kind));
    const std::vector<TextPiece> pieces = {
        {"Q: e\u0301 1 2\n", false}, {"yes, 3", true}, {" end", false}};
    const MaskedIds masked = encode_pieces(*tokenizer, pieces);
    CHECK(masked.ids == tokenizer->encode("Q: e\u0301 1 2\nyes, 3 end"));
    TokenIds trained;
    for (size_t i = 0; i < masked.ids.size(); ++i)
      if (masked.train[i]) trained.push_back(masked.ids[i]);
    CHECK(tokenizer->decode(trained) == "yes, 3");
  }
}
