#include "data/file_kinds.h"

#include <catch2/catch.hpp>

#include "data/dataset.h"
#include "data/line_reader.h"
#include "models/formats/error.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

RowFile read_named(const std::string& name, const std::string& text) {
  const TempDir dir;
  write_text(dir.path / name, text);
  return read_row_file((dir.path / name).string(), {});
}

std::string error_of(const std::string& name, const std::string& text) {
  return message_of<Error>([&] { read_named(name, text); });
}

}  // namespace

TEST_CASE("a file's kind is known by its extension, else it is JSON") {
  CHECK(read_named("a.csv", "text\nx\n").kind == "CSV");
  CHECK(read_named("a.CSV", "text\nx\n").kind == "CSV");
  CHECK(read_named("a.txt", "x").kind == "text");
  for (const char* name : {"a.jsonl", "a.json", "a"}) {
    const RowFile file = read_named(name, R"({"text": "x"})");
    CHECK(file.kind == "JSON");
    CHECK(file.format == "text");
  }
}

TEST_CASE("a text file is one document without its byte-order mark") {
  const RowFile file = read_named("a.txt", "\xEF\xBB\xBFOne.\r\n\n\"Two\"\n");
  REQUIRE(file.rows.size() == 1);
  CHECK(file.rows[0].completion == "One.\r\n\n\"Two\"\n");
  CHECK(file.rows[0].is_document);
  CHECK(file.format == "text");
}

TEST_CASE("CSV fields hold commas, quotes and line ends in quotes") {
  const auto rows = read_named("a.csv",
                               "\xEF\xBB\xBFinstruction,\"input\",output\r\n"
                               "\"a, \"\"b\"\"\",,\"one\r\ntwo\nthree\n\"\r\n"
                               "\r\n"
                               " x ,\"\",\xC3\xA9")
                        .rows;
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].messages[0].content == "a, \"b\"");
  CHECK(rows[0].messages[0].input.empty());
  CHECK(rows[0].messages[1].content == "one\r\ntwo\nthree\n");
  CHECK_THAT(rows[0].where, Contains("a.csv:2"));
  CHECK(rows[1].messages[0].content == " x ");
  CHECK(rows[1].messages[1].content == "\xC3\xA9");
  CHECK_THAT(rows[1].where, Contains("a.csv:7"));
}

TEST_CASE("the index column that pandas writes is not read") {
  const auto rows = read_named("a.csv", ",prompt,completion\n0,p,c\n1,q,d\n").rows;
  REQUIRE(rows.size() == 2);
  CHECK(rows[1].prompt == "q");
}

TEST_CASE("a broken file is named with the place and what was expected") {
  struct Case {
    const char* name;
    std::string text;
    std::vector<std::string> says;
  };
  const std::string head = "prompt,completion\n";
  const std::vector<Case> cases = {
      {"a.csv", head + "p,c\np\n", {"a.csv:3", "expected 2 fields", "got 1"}},
      {"a.csv", head + "p,c,d\n", {"a.csv:2", "expected 2 fields", "got 3"}},
      {"a.csv", head + "p,a \"b\"\n", {"a.csv:2", "a quote inside the field"}},
      {"a.csv", head + "p,\"a\" b\n", {"a.csv:2", "after the closing quote", "\"a\""}},
      {"a.csv", head + "p,c\np,\"a\nb\n", {"a.csv:3", "is not closed"}},
      {"a.csv", head + "p,\"a\n\xFF\"\n", {"a.csv:2", "byte 3", "UTF-8"}},
      {"a.csv", head + "p,\n", {"a.csv:2", "'completion' is empty"}},
      {"a.csv", "text,text\na,b\n", {"a.csv:1", "the column \"text\" twice"}},
      {"a.csv", "prompt;completion\np;c\n", {"a.csv:2", "got keys \"prompt;completion\""}},
      {"a.csv", head, {"a.csv", "the dataset is empty"}},
      {"a.csv", "", {"a.csv", "the dataset is empty"}},
      {"a.txt", "", {"a.txt", "'text' is empty"}},
      {"a.txt", "abc\xC3", {"a.txt", "byte 4", "UTF-8"}},
      {"a.jsonl.gz", "\x1F\x8B\x08", {"a.jsonl.gz", "compressed (gzip)", "unpack it"}},
      {"a.jsonl.zst", "\x28\xB5\x2F\xFD", {"a.jsonl.zst", "compressed (zstd)"}},
      {"a.zip", "PK\x03\x04", {"a.zip", "compressed (zip)"}},
  };
  for (const Case& broken : cases) {
    INFO(broken.text);
    const std::string what = error_of(broken.name, broken.text);
    CHECK(what.find('\n') == std::string::npos);
    for (const std::string& part : broken.says) CHECK_THAT(what, Contains(part));
  }
}

TEST_CASE("a quote that is never closed is refused before the file is held whole") {
  const TempDir dir;
  const auto path = dir.path / "a.csv";
  write_text(path, "text\n\"" + std::string(1 << 20, '\n'));
  std::ofstream file(path, std::ios::app | std::ios::binary);
  for (uint64_t size = 0; size < LineReader::kMaxLine + (8 << 20); size += 1 << 20)
    file << std::string((1 << 20) - 1, 'x') << '\n';
  file.close();
  CHECK_THAT(message_of<Error>([&] { read_row_file(path.string(), {}); }),
             Contains("a.csv:2") && Contains("is not closed"));
}

TEST_CASE("a file with any byte changed is read or refused in one line") {
  const TempDir dir;
  for (const char* name : {"rows.jsonl", "rows.csv", "array.json"}) {
    const bool is_array = std::string(name) == "array.json";
    const std::string source = TPTT_SOURCE_DIR "/tests/golden/parquet/";
    const std::string good = is_array ? R"([{"prompt": "a [\"", "completion": "}"},
 {"conversations": [{"from": "gpt", "value": "\u00e9"}]}, 3])"
                                      : read_text(source + name);
    for (size_t at = 0; at < good.size(); ++at)
      for (const char other : {'"', ',', '\n', '\\', ']', '{', '\0', '\xFF'}) {
        std::string bad = good;
        bad[at] = other;
        write_text(dir.path / name, bad);
        for (const bool skip : {false, true}) {
          const std::string what = message_of<Error>(
              [&] { read_row_file((dir.path / name).string(), {.skip_bad_rows = skip}); });
          CHECK(what.find('\n') == std::string::npos);
        }
      }
  }
}
