#include "data/token_cache.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "data/row_hash.h"
#include "data/token_cache_file.h"
#include "models/formats/error.h"
#include "models/formats/safetensors.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

const std::string kTokenizer = TPTT_SOURCE_DIR "/tests/golden/tokenizers/gpt2";

std::vector<Row> some_rows() {
  std::vector<Row> rows;
  for (int i = 0; i < 100; ++i)
    rows.push_back({.prompt = "count to " + std::to_string(i) + ":",
                    .completion = std::string(size_t(i % 9 + 1), 'x'),
                    .where = "a.jsonl:" + std::to_string(i + 1)});
  rows.push_back({.completion = std::string(200, 'y'), .where = "a.txt", .is_document = true});
  return rows;
}

/// A cache of its own and what is tokenised by way of it.
struct Cache {
  TempDir dir;
  ModelFiles files{"", kTokenizer, "", ""};
  std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(files);
  std::vector<Row> rows = some_rows();
  TokenizeOptions options{.max_length = 32};
  int32_t eos = 0;

  CachedTokens load() const {
    return tokenize_cached(rows, row_hashes(rows, 1), *tokenizer, tokenizer_hash(files), eos,
                           options, dir.path / "tokens");
  }
  std::vector<fs::path> written() const {
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(dir.path / "tokens"))
      paths.push_back(entry.path());
    return paths;
  }
};

bool same(const TokenizedRows& a, const TokenizedRows& b) {
  if (a.examples.size() != b.examples.size()) return false;
  for (size_t i = 0; i < a.examples.size(); ++i)
    if (a.examples[i].ids != b.examples[i].ids || a.examples[i].train != b.examples[i].train)
      return false;
  return a.rows == b.rows && a.num_truncated == b.num_truncated && a.num_split == b.num_split &&
         a.num_dropped == b.num_dropped;
}

}  // namespace

// datasets #1830, #6319: preparing the same data again and again.
TEST_CASE("the second time tokens come from the cache and are the same") {
  const Cache cache;
  const CachedTokens first = cache.load(), second = cache.load();
  CHECK_FALSE(first.from_cache);
  CHECK(second.from_cache);
  CHECK(second.problem.empty());
  CHECK(same(first.tokens, second.tokens));
  CHECK(second.tokens.num_split == 1);
  CHECK(cache.written().size() == 1);
}

TEST_CASE("whatever the tokens follow from makes another key") {
  Cache cache;
  cache.load();
  const auto is_new = [&](auto change) {
    Cache other;
    fs::copy(cache.dir.path / "tokens", other.dir.path / "tokens");
    change(other);
    return !other.load().from_cache;
  };
  CHECK_FALSE(is_new([](Cache& c) { c.rows[3].where = "b.parquet: row 4"; }));
  CHECK_FALSE(is_new([](Cache& c) { c.options.num_threads = 2; }));
  CHECK(is_new([](Cache& c) { c.rows[3].prompt += "?"; }));
  CHECK(is_new([](Cache& c) { std::swap(c.rows[3], c.rows[4]); }));
  CHECK(is_new([](Cache& c) { c.rows.pop_back(); }));
  CHECK(is_new([](Cache& c) { c.eos = 1; }));
  CHECK(is_new([](Cache& c) { c.options.max_length = 33; }));
  CHECK(is_new([](Cache& c) { c.options.chat_template = "chatml"; }));
  CHECK(is_new([](Cache& c) { c.options.excess_length_strategy = "drop"; }));
  CHECK(is_new([](Cache& c) { c.options.completion_only_loss = false; }));
  CHECK(is_new([](Cache& c) { c.options.assistant_only_loss = false; }));
  CHECK(is_new([](Cache& c) {
    const fs::path copy = c.dir.path / "tokenizer";
    fs::copy(kTokenizer, copy);
    std::ofstream(copy / "tokenizer_config.json", std::ios::app) << " ";
    c.files.dir = copy.string();
  }));
}

TEST_CASE("a broken file is named, not used and written again") {
  const Cache cache;
  const CachedTokens good = cache.load();
  const fs::path path = cache.written()[0];
  const std::string bytes = read_text(path);
  std::vector<std::string> broken = {"", "foreign", bytes.substr(0, bytes.size() / 2), bytes + "x"};
  for (size_t at = 0; at < bytes.size(); at += bytes.size() / 40) {
    broken.push_back(bytes);
    broken.back()[at] = char(broken.back()[at] ^ 1);
  }
  for (const std::string& text : broken) {
    write_text(path, text);
    const CachedTokens out = cache.load();
    CHECK_FALSE(out.from_cache);
    CHECK_THAT(out.problem, Contains(path.filename().string()));
    CHECK(same(out.tokens, good.tokens));
    CHECK(read_text(path) == bytes);
  }
}

TEST_CASE("a file whose checksum fits is checked all the same") {
  const Cache cache;
  const TokenizedRows good = cache.load().tokens;
  const fs::path path = cache.written()[0];
  const std::string key = path.stem().string();
  const auto problem_with = [&](auto change) {
    TokenizedRows bad = good;
    change(bad);
    write_token_cache(path, key, bad);
    const CachedTokens out = cache.load();
    CHECK_FALSE(out.from_cache);
    CHECK(same(out.tokens, good));
    return out.problem;
  };
  CHECK_THAT(problem_with([](auto& t) { t.examples[5].ids[0] = 1 << 20; }), Contains("vocabulary"));
  CHECK_THAT(problem_with([](auto& t) { t.examples[5].ids[0] = -1; }), Contains("vocabulary"));
  CHECK_THAT(problem_with([](auto& t) { t.rows[5] = 0; }), Contains("no row"));
  CHECK_THAT(problem_with([](auto& t) { t.rows.back() = 101; }), Contains("no row"));
  CHECK_THAT(problem_with([](auto& t) { t.rows[0] = -1; }), Contains("no row"));
  CHECK_THAT(problem_with([](auto& t) { t.rows.pop_back(); }), Contains("do not fit together"));
  CHECK_THAT(problem_with([](auto& t) { t.num_dropped = 102; }), Contains("num_dropped"));
  CHECK_THAT(problem_with([](auto& t) { t.num_split = -1; }), Contains("num_split"));
  CHECK_THAT(problem_with([](auto& t) {
               for (size_t i = 1; i < t.examples[5].train.size(); ++i)
                 t.examples[5].train[i] = false;
             }),
             Contains("no target"));
  CHECK_THAT(problem_with([](auto& t) {
               t.examples[5].ids.resize(33, 1);
               t.examples[5].train.resize(33, true);
             }),
             Contains("wrong length"));
  CHECK_THAT(problem_with([](auto& t) { t.examples.clear(), t.rows.clear(); }),
             Contains("do not fit together"));
  // As a tokenizer leaves it whose code was changed since.
  CHECK_THAT(problem_with([](auto& t) { t.examples[0].ids[0] ^= 1; }),
             Contains("other tokens now"));
  write_token_cache(path, "another key", good);
  CHECK_THAT(cache.load().problem, Contains("is of other rows"));
}

TEST_CASE("a cache that cannot be written is a problem but no error") {
  Cache cache;
  write_text(cache.dir.path / "tokens", "a file");
  const CachedTokens out = cache.load();
  CHECK_FALSE(out.problem.empty());
  CHECK(out.tokens.examples.size() > 100);
}
