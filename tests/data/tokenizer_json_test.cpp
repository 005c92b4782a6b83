#include <catch2/catch.hpp>

#include "data/tokenizer.h"
#include "models/formats/error.h"
#include "models/formats/json.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

/// A tokenizer of the characters a, b and U+2581 and of unknown ones, and what `patch` changes.
std::unique_ptr<Tokenizer> load_patched(const char* patch) {
  Json json = Json::parse(R"({
    "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
    "decoder": {"type": "Fuse"},
    "model": {"type": "BPE", "unk_token": "?", "fuse_unk": false,
              "vocab": {"?": 0, "a": 1, "b": 2, "\u2581": 3, "ab": 4}, "merges": ["a b"]}})");
  json.merge_patch(Json::parse(patch));
  const TempDir dir;
  write_text(dir.path / "tokenizer.json", json.dump());
  ModelFiles files;
  files.dir = dir.path.string();
  return load_tokenizer(files);
}

}  // namespace

TEST_CASE("tokenizer.json components that are not known are refused by name with those that are") {
  struct Case {
    const char *patch, *name, *known;
  };
  const Case cases[] = {
      {R"({"normalizer": {"type": "Lowercase"}})", "normalizer 'Lowercase'",
       "known: NFC, Prepend, Replace, Sequence"},
      {R"({"normalizer": {"type": "Replace", "pattern": {"Regex": "a"}, "content": ""}})",
       "normalizer Replace", "pattern {String}"},
      {R"({"pre_tokenizer": {"type": "BertPreTokenizer"}})", "pre_tokenizer 'BertPreTokenizer'",
       "known: ByteLevel, Digits, Metaspace, Split, Sequence"},
      {R"({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "X"}]}})",
       "pre_tokenizer 'X'", "known: ByteLevel"},
      {R"({"pre_tokenizer": {"type": "Split", "pattern": {"String": "a"}, "behavior": "Odd"}})",
       "behavior 'Odd'", "known: Removed, Isolated"},
      {R"({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Removed"}})",
       "pattern '('", "no valid regular expression"},
      {R"({"pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "odd"}})",
       "prepend_scheme 'odd'", "known: always, first, never"},
      {R"({"post_processor": {"type": "BertProcessing"}})", "post_processor 'BertProcessing'",
       "known: ByteLevel, TemplateProcessing, Sequence"},
      {R"({"decoder": {"type": "WordPiece"}})", "decoder 'WordPiece'", "known: ByteLevel"},
      {R"({"decoder": {"type": "Strip", "content": " ", "start": 0, "stop": 1}})", "Strip",
       "known: start"},
      {R"({"decoder": {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "ByteFallback"}]}})",
       "after Fuse", "known: Strip"},
      {R"({"decoder": null})", "'decoder' is missing", ""},
      {R"({"model": {"type": "WordPiece"}})", "model 'WordPiece'", "known: BPE"},
      {R"({"model": {"dropout": 0.1}})", "dropout", "expected null"},
      {R"({"model": {"merges": [["a", "c"]]}})", "merge 'a c'", "not in the vocabulary"},
      {R"({"model": {"vocab": {"a": -1}}})", "token id -1", "out of range"},
      {R"({"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}, {"Sequence": {"id": "A"}}],
           "special_tokens": {"x": {"ids": [5]}}}})",
       "adds id 5", "has 5 tokens"},
  };
  for (const Case& c : cases) {
    INFO(c.patch);
    CHECK_THAT(message_of<Error>([&] { load_patched(c.patch); }),
               Contains(c.name) && Contains(c.known) && Contains("tokenizer.json"));
  }
}

TEST_CASE("files and texts that would take memory or time without bound are refused") {
  std::string patch = R"({"normalizer": {"type": "Sequence", "normalizers": [)";
  for (int i = 0; i < 40; ++i)
    patch += R"({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaa"},)";
  patch.back() = ']';
  const auto tokenizer = load_patched((patch + "}}").c_str());
  CHECK_THROWS_WITH(tokenizer->encode("a"), Contains("it makes more than"));
  const std::string longest(1025, 'x');
  CHECK_THROWS_WITH(
      load_patched((R"({"added_tokens": [{"id": 5, "content": ")" + longest + R"("}]})").c_str()),
      Contains("added token 5 has 1025 bytes; expected at most 1024"));
  std::string marks = "e";
  for (int i = 0; i < 600; ++i) marks += "\u0316\u0301";
  CHECK_THROWS_WITH(load_patched(R"({"normalizer": {"type": "NFC"}})")->encode(marks),
                    Contains("more than 1024 combining marks in a row"));
}

TEST_CASE("of added tokens the longest counts, wherever the others end") {
  const auto tokenizer = load_patched(R"({"added_tokens": [
      {"id": 5, "content": "<x"}, {"id": 6, "content": "<x>y>"}, {"id": 7, "content": "x>"}]})");
  CHECK(tokenizer->encode("<x>y>a<x>b<xx>") == TokenIds{6, 1, 5, 0, 2, 5, 7});
}

TEST_CASE("merges are read in both spellings, and words that are tokens need none") {
  CHECK(load_patched("{}")->encode("abba") == TokenIds{4, 2, 1});
  CHECK(load_patched(R"({"model": {"merges": [["a", "b"]]}})")->encode("abba") ==
        TokenIds{4, 2, 1});
  CHECK(load_patched(R"({"model": {"merges": []}})")->encode("ab") == TokenIds{1, 2});
  CHECK(load_patched(R"({"model": {"merges": [], "ignore_merges": true}})")->encode("ab") ==
        TokenIds{4});
}

TEST_CASE("unknown characters are one token each, one for all, or dropped") {
  CHECK(load_patched("{}")->encode("axyb") == TokenIds{1, 0, 0, 2});
  CHECK(load_patched(R"({"model": {"fuse_unk": true}})")->encode("axyb") == TokenIds{1, 0, 2});
  CHECK(load_patched(R"({"model": {"unk_token": null}})")->encode("axyb") == TokenIds{4});
}

TEST_CASE("Split does with what it matches as its behaviour says") {
  struct Case {
    const char *behavior, *invert;
    TokenIds ids;  // of "abbaab" without the merge of a and b across pieces
  };
  for (const Case& c : {Case{"Removed", "false", {1, 1, 1}}, Case{"Removed", "true", {2, 2, 2}},
                        Case{"Isolated", "false", {1, 2, 2, 1, 1, 2}},
                        Case{"MergedWithPrevious", "false", {4, 2, 1, 4}},
                        Case{"MergedWithNext", "false", {1, 2, 2, 1, 1, 2}},
                        Case{"MergedWithNext", "true", {4, 2, 1, 4}},
                        Case{"Contiguous", "false", {1, 2, 2, 1, 1, 2}}}) {
    INFO(c.behavior << " " << c.invert);
    const std::string patch = std::string(R"({"pre_tokenizer": {"type": "Split",
        "pattern": {"String": "b"}, "behavior": ")") +
                              c.behavior + R"(", "invert": )" + c.invert + "}}";
    CHECK(load_patched(patch.c_str())->encode("abbaab") == c.ids);
  }
}
