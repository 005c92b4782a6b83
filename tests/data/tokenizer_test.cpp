#include "data/tokenizer.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "models/formats/error.h"
#include "models/formats/json.h"

using namespace tptt;

namespace {

std::string golden_dir() {
  const char* made = std::getenv("TPTT_GOLDEN_DIR");
  return (made ? made : TPTT_SOURCE_DIR "/tests/golden") + std::string("/tokenizers");
}

/// Compares ids and decoded texts with golden.json, one row a text.
void check_golden(const Tokenizer& tokenizer, const std::string& golden) {
  const Json rows = read_json_file(golden);
  REQUIRE(rows.size() > 80);
  for (const Json& row : rows) {
    const std::string text = row["text"];
    INFO(row["text"].dump());
    const TokenIds ids = tokenizer.encode(text);
    CHECK(ids == row["ids"].get<TokenIds>());
    CHECK(tokenizer.encode(text, true) == row["special_ids"].get<TokenIds>());
    CHECK(tokenizer.decode(ids) == row["decoded"].get<std::string>());
    CHECK(tokenizer.decode(ids, true) == row["plain"].get<std::string>());
    StreamDecoder stream(tokenizer);
    std::string streamed;
    for (const int32_t id : ids) streamed += stream.push(id);
    CHECK(streamed + stream.finish() == row["plain"].get<std::string>());
  }
}

}  // namespace

TEST_CASE("trained byte-level BPE gives Hugging Face's ids and text", "[golden]") {
  for (const std::string name : {"llama3", "qwen2", "gpt2"}) {
    INFO(name);
    const std::string dir = golden_dir() + "/" + name;
    check_golden(*load_tokenizer(find_model(dir)), dir + "/golden.json");
  }
}

TEST_CASE("SmolLM2's tokenizer in GGUF gives Hugging Face's ids and text", "[golden]") {
  check_golden(*load_tokenizer(find_model("smollm2-135m-instruct")),
               golden_dir() + "/smollm2/golden.json");
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
  const auto tokenizer = load_tokenizer(find_model(golden_dir() + "/gpt2"));
  const TokenIds ids = tokenizer->encode("\U0001FAE8 x");  // not in the training text: bytes
  REQUIRE(ids.size() == 4);                                // three for the character
  StreamDecoder stream(*tokenizer);
  CHECK(stream.push(ids[0]).empty());
  CHECK(stream.push(ids[1]).empty());
  CHECK(stream.push(ids[2]) == "\U0001FAE8");
  CHECK(stream.push(ids[0]).empty());
  CHECK(stream.finish() == "\uFFFD");
}
