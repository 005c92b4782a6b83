#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <random>

#include "data/precompiled_charsmap.h"
#include "data/sentencepiece_check.h"
#include "data/tokenizer.h"
#include "models/formats/error.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += char(value | 0x80);
  return out + char(value);
}
std::string number(uint64_t field, uint64_t value) {
  return varint(field << 3) + varint(value);
}
std::string bytes(uint64_t field, const std::string& value) {
  return varint(field << 3 | 2) + varint(value.size()) + value;
}
std::string score_of(float value) {
  std::string out(4, '\0');
  std::memcpy(out.data(), &value, 4);
  return varint(2 << 3 | 5) + out;
}
std::string piece(const std::string& text, uint64_t type = 1, float score = -1) {
  return bytes(1, bytes(1, text) + score_of(score) + number(3, type));
}

const std::string kPieces = piece("<unk>", 2) + piece("<s>", 3) + piece("</s>", 3) +
                            piece("\u2581") + piece("a") + piece("\u2581a");
const std::string kBpe = bytes(2, number(3, 2)), kUnigram = bytes(2, number(3, 1));

std::string with_charsmap(const std::string& charsmap) {
  return kPieces + kUnigram + bytes(3, bytes(2, charsmap));
}

std::string u32(uint32_t value) {
  std::string out(4, '\0');
  std::memcpy(out.data(), &value, 4);
  return out;
}

/// A trie of `units` (the others never match a label), and its texts.
std::string charsmap(std::vector<std::pair<size_t, uint32_t>> units, const std::string& texts,
                     size_t num_units = 512) {
  std::string trie;
  for (size_t i = 0; i < num_units; ++i) trie += u32(0x80000000u);
  for (const auto& [at, unit] : units) trie.replace(at * 4, 4, u32(unit));
  return u32(uint32_t(trie.size())) + trie + texts;
}
uint32_t unit(uint32_t label, uint32_t offset, bool leaf = false) {
  return label | uint32_t(leaf) << 8 | offset << 10;
}

std::unique_ptr<Tokenizer> load(const TempDir& dir, const std::string& proto,
                                const std::string& config = "{}") {
  write_text(dir.path / "tokenizer.model", proto);
  write_text(dir.path / "tokenizer_config.json", config);
  ModelFiles files;
  files.dir = dir.path.string();
  return load_tokenizer(files);
}

}  // namespace

TEST_CASE("a SentencePiece model made by hand is read") {
  const TempDir dir;
  for (const std::string& kind : {kBpe, kUnigram}) {
    const auto tokenizer = load(dir, kPieces + kind);
    CHECK(tokenizer->encode("a a", true) == TokenIds{1, 5, 5});
    CHECK(tokenizer->encode("</s>a", true) == TokenIds{1, 2, 5});
    CHECK(tokenizer->decode({1, 5, 5}, true) == "a a");
  }
}

TEST_CASE("tokenizer_config.json says what surrounds a SentencePiece text") {
  const TempDir dir;
  CHECK(load(dir, kPieces + kBpe, R"({"add_bos_token": false, "add_eos_token": true})")
            ->encode("a", true) == TokenIds{5, 2});
  const auto tokenizer = load(dir, kPieces + kBpe, R"({"legacy": false, "added_tokens_decoder":
      {"6": {"content": "<|end|>", "special": true, "rstrip": true}}})");
  CHECK(tokenizer->vocab_size() == 7);
  CHECK(tokenizer->encode("a<|end|> a") == TokenIds{5, 6, 4});  // no space before the last
  CHECK(load(dir, kPieces + kBpe)->encode("</s>a") == TokenIds{2, 5});
}

TEST_CASE("SentencePiece models that libsentencepiece crashes on are refused by what is wrong") {
  const TempDir dir;
  struct Case {
    std::string proto, reason;
  };
  const std::string good_trie = charsmap({{0, unit(0, 256)}}, std::string("\0", 1));
  std::string nested = kPieces + kBpe;
  for (size_t i = 1; i <= 65; ++i) nested += piece(std::string(i, 'b'), 4);
  const Case cases[] = {
      {kPieces + kBpe + piece(std::string(8000, 'x')), "expected fewer than 8000"},
      {kPieces + kBpe + piece(std::string(500'000, 'x')), "expected fewer than 8000"},
      {kPieces + kBpe + piece(std::string("x\0y", 3)), "null character"},
      {kPieces + kBpe + piece(""), "a piece is empty"},
      {kPieces + kBpe + piece("a"), "'a' is there twice"},
      {kPieces + kBpe + piece("\xFF"), "no valid UTF-8"},
      {kPieces + kBpe + piece("b", 1, NAN), "not finite"},
      {piece("a") + kBpe, "0 unknown pieces"},
      {nested, "more than 64 user-defined symbols"},
      {kPieces + bytes(2, number(3, 3)), "model type 3 is not supported; known: 1"},
      {kPieces + bytes(2, number(3, 2) + number(24, 1)), "treat_whitespace_as_suffix"},
      {kPieces + kBpe + bytes(3, number(5, 0)), "escape_whitespaces"},
      {kPieces + kBpe + bytes(5, bytes(2, good_trie)), "denormaliser"},
      {kPieces + bytes(2, number(3, 2) + number(35, 1)), "is no SentencePiece model"},
      {kPieces + "\x0A\x7F", "it ends too early"},
      {kPieces + std::string(11, '\xFF'), "a number is too long"},
      {kPieces + "\x0B", "a field of unknown kind"},
      {with_charsmap("abc"), "too short"},
      {with_charsmap(u32(0xFFFFFFFFu) + "abc"), "more than the file holds"},
      {with_charsmap(u32(512) + std::string(600, '\0')), "expected a multiple of 1024"},
      {with_charsmap(charsmap({{0, unit(0, 256)}}, "no end")), "does not end with a null"},
      {with_charsmap(charsmap({}, std::string(1, '\0'))), "is broken"},
      {with_charsmap(charsmap({{0, unit(0, 4096)}}, std::string(1, '\0'))), "is broken"},
      // 'a' leads to a text outside; 'a' leads back to itself
      {with_charsmap(charsmap(
           {{0, unit(0, 256)}, {256 ^ 'a', unit('a', 1, true)}, {256 ^ 'a' ^ 1, 0x80000005u}},
           std::string("x\0", 2))),
       "is broken"},
      {with_charsmap(
           charsmap({{0, unit(0, 256)}, {256 ^ 'a', unit('a', 'a')}}, std::string("x\0", 2))),
       "is broken"},
  };
  for (const Case& c : cases) {
    INFO(c.reason);
    CHECK_THAT(message_of<Error>([&] { load(dir, c.proto); }),
               Contains(c.reason) && Contains("tokenizer.model"));
  }
  CHECK(load(dir, with_charsmap(good_trie))->encode("a") == TokenIds{5});
}

TEST_CASE("a damaged SentencePiece model is read or refused, never worse") {
  const TempDir dir;
  std::mt19937 random(7);
  int read = 0, refused = 0;
  for (const std::string kind : {"sp-bpe", "sp-unigram"}) {
    const std::string good =
        read_text(TPTT_SOURCE_DIR "/tests/golden/tokenizers/" + kind + "/tokenizer.model");
    for (int round = 0; round < 400; ++round) {
      std::string bad = good;
      for (int i = 0; i < 1 + round % 4; ++i) {
        // The small fields at the end matter most.
        const size_t at = round % 2 ? random() % bad.size() : bad.size() - 1 - random() % 2000;
        if (round % 5 == 4) {
          bad.erase(at, random() % 9);
        } else {
          bad[at] = char(random());
        }
        if (bad.size() < 2100) break;
      }
      try {
        const auto tokenizer = load(dir, bad);
        tokenizer->decode(
            tokenizer->encode("A bird, e\u0301 \ufb01 \u2026 <|custom|> 123\n", true));
        ++read;
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  CHECK((read > 50 && refused > 50));
}

TEST_CASE("tokenizer files that are not read are refused with the way to convert them") {
  struct Case {
    const char *file, *content, *reason;
  };
  for (const Case& c : {Case{"tokenizer.model", "IQ== 0\nIg== 1\n", "tiktoken"},
                        Case{"vocab.json", "{}", "is not read without a tokenizer.json"},
                        Case{"vocab.txt", "a", "is not read without a tokenizer.json"},
                        Case{"tekken.json", "{}", "is not read without a tokenizer.json"},
                        Case{"other.txt", "", "expected tokenizer.json or tokenizer.model"}}) {
    const TempDir dir;
    write_text(dir.path / c.file, c.content);
    ModelFiles files;
    files.dir = dir.path.string();
    const std::string message = message_of<Error>([&] { load_tokenizer(files); });
    CHECK_THAT(message, Contains(c.reason));
    if (c.file != std::string("other.txt")) CHECK_THAT(message, Contains("save_pretrained"));
  }
}
