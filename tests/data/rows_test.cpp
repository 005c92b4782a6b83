#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "data/formats.h"
#include "data/line_reader.h"
#include "data/utf8.h"
#include "models/formats/error.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

const std::string kGood = "{\"prompt\": \"p\", \"completion\": \"c\"}\n";

// Tests run side by side, one process each.
const std::string kFile = "tptt_rows_" + std::to_string(getpid()) + ".jsonl";

std::string write_file(const std::string& text) {
  const auto path = std::filesystem::temp_directory_path() / kFile;
  std::ofstream(path, std::ios::binary) << text;
  return path.string();
}

std::vector<Row> read(const std::string& text, const std::string& format = "auto",
                      int64_t limit = 0) {
  return read_rows(write_file(text), format, limit);
}

std::string error_of(const std::string& text, const std::string& format = "auto") {
  try {
    read(text, format);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("an alpaca row becomes a conversation") {
  const Row row = read(R"({"instruction": "a", "input": "b", "output": "c", "text": "x"})")[0];
  REQUIRE(row.messages.size() == 2);
  CHECK(row.messages[0].role == "user");
  CHECK(row.messages[0].content == "a");
  CHECK(row.messages[0].input == "b");
  CHECK(row.messages[1].role == "assistant");
  CHECK(row.messages[1].content == "c");
  for (const char* no_input : {R"({"instruction": "a", "input": "", "output": "c"})",
                               R"({"instruction": "a", "input": null, "output": "c"})",
                               R"({"instruction": "a", "output": "c"})"})
    CHECK(read(no_input)[0].messages[0].input == "");
}

TEST_CASE("messages come before a prompt in the same row") {
  const auto rows =
      read(R"({"prompt": "x", "messages": [{"role": "system", "content": "s"}, )"
           R"({"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]})");
  REQUIRE(rows[0].messages.size() == 3);
  CHECK(rows[0].messages[0].content == "s");
  CHECK(rows[0].prompt.empty());
}

TEST_CASE("a prompt-completion row stays plain text") {
  const Row row = read(kGood)[0];
  CHECK(row.messages.empty());
  CHECK(row.prompt == "p");
  CHECK(row.completion == "c");
  CHECK_THAT(row.where, Contains(kFile + ":1"));
}

TEST_CASE("byte-order mark, CRLF, blank lines and a missing last newline are read") {
  const auto rows =
      read("\xEF\xBB\xBF\r\n{\"prompt\": \"\xC3\xA9\", \"completion\": \"a\\u00e9\"}\r\n\n  \t\n" +
           kGood.substr(0, kGood.size() - 1));
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].prompt == "\xC3\xA9");
  CHECK(rows[0].completion == "a\xC3\xA9");
  CHECK_THAT(rows[0].where, Contains(":2"));
  CHECK_THAT(rows[1].where, Contains(":5"));
}

TEST_CASE("a JSON array's rows are named by their lines") {
  const std::string text = "\n [\n" + kGood +
                           ",{\"prompt\":\n \"[a, \\\"]}\",\n\"completion\": \"c\"}\n, " + kGood +
                           "]\n\n";
  const auto rows = read(text);
  REQUIRE(rows.size() == 3);
  CHECK(rows[1].prompt == "[a, \"]}");
  CHECK_THAT(rows[0].where, Contains(":3"));
  CHECK_THAT(rows[1].where, Contains(":4"));
  CHECK_THAT(rows[2].where, Contains(":7"));
  CHECK(read("[" + kGood.substr(0, kGood.size() - 1) + "]").size() == 1);
}

TEST_CASE("limit reads the first rows only") {
  CHECK(read(kGood + kGood + kGood, "auto", 2).size() == 2);
  CHECK(read(kGood + "{broken", "auto", 1).size() == 1);
  CHECK(read("[" + kGood + "," + kGood + ",{broken", "auto", 2).size() == 2);
}

TEST_CASE("lines longer than the read buffer are whole") {
  const std::string big(3 << 20, 'x');
  const auto rows = read(kGood + "{\"prompt\": \"" + big + "\", \"completion\": \"c\"}\n" + kGood);
  REQUIRE(rows.size() == 3);
  CHECK(rows[1].prompt == big);
  CHECK_THAT(rows[2].where, Contains(":3"));
}

TEST_CASE("a row of a broken file is named by file, line, field and expectation") {
  struct Case {
    const char* format;
    std::string text;
    std::vector<std::string> says;
  };
  const std::string user = R"({"messages": [{"role": "user", "content": "x"})";
  const std::vector<Case> cases = {
      {"auto", kGood + "{\"prompt\": \"p\"}", {":2", "'completion'", "missing"}},
      {"auto", kGood + R"({"prompt": "p", "completion": 3})", {":2", "'completion'", "a string"}},
      {"auto", kGood + R"({"prompt": "p", "completion": ""})", {":2", "'completion' is empty"}},
      {"auto", kGood + R"({"prompt": ["p"], "completion": "c"})", {":2", "'prompt'", "a string"}},
      {"auto", kGood + "{\"prompt\": ", {":2", "JSON"}},
      {"auto", kGood + "[1]", {":2", "expected a JSON object", "array"}},
      {"auto",
       kGood + R"({"prompt": "p", "prompt": "q", "completion": "c"})",
       {":2", "duplicate", "'prompt'"}},
      {"auto", kGood + "\n{\"prompt\": \"\xC3\x28\"}", {":3", "byte 13", "UTF-8"}},
      {"auto", kGood + "{\"prompt\": \"\xED\xA0\x80\"}", {":2", "UTF-8"}},
      {"auto",
       R"({"question": 1, "answer": 2})",
       {":1", "no known dataset format", "instruction", "\"question\""}},
      {"auto", R"({"a\nb": 1})", {":1", R"(got keys "a\nb")"}},
      {"alpaca", kGood, {":1", "'instruction'", "missing"}},
      {"auto", R"({"instruction": "", "output": "c"})", {":1", "'instruction' is empty"}},
      {"auto", R"({"instruction": "i", "input": 4, "output": "c"})", {":1", "'input'", "a string"}},
      {"messages", kGood, {":1", "'messages' is missing"}},
      {"auto", R"({"messages": "hello"})", {":1", "'messages' must be a list", "string"}},
      {"auto", R"({"messages": []})", {":1", "'messages' must be a list", "empty"}},
      {"auto", R"({"messages": ["hello"]})", {":1", "messages[0]", "{role, content}", "string"}},
      {"auto",
       R"({"messages": [{"role": "robot", "content": ""}]})",
       {":1", "messages[0]", "robot", "system, user or assistant"}},
      {"auto",
       user + R"(, {"role": "assistant", "content": null}]})",
       {":1", "messages[1]", "'content'"}},
      {"auto",
       user + R"(, {"role": "assistant", "content": ""}]})",
       {":1", "messages[1]", "'content' is empty"}},
      {"auto",
       user + R"(, {"role": "system", "content": "s"}]})",
       {":1", "messages[1]", "first message"}},
      {"auto", user + "]}", {":1", "last of 'messages'", "'assistant'", "'user'"}},
      {"auto", "[" + kGood + ",\n{\"prompt\": 1, \"completion\": \"c\"}]", {":3", "'prompt'"}},
      {"auto", "[" + kGood + ", ]", {":2", "expected a JSON object"}},
      {"auto", "[" + kGood + "\n", {":2", "not closed"}},
      {"auto", "[" + kGood + "]\nx", {":3", "after the JSON array"}},
      {"auto", "[" + kGood + ", }", {":2", "'}'"}},
      {"auto", "[\"\xFF\"]", {":1", "UTF-8"}},
      {"auto", "", {"empty"}},
      {"auto", "\xEF\xBB\xBF\n\n", {"empty"}},
      {"auto", "[ ]", {"empty"}},
  };
  for (const Case& broken : cases) {
    INFO(broken.text);
    const std::string what = error_of(broken.text, broken.format);
    CHECK_THAT(what, Contains(kFile));
    CHECK(what.find('\n') == std::string::npos);
    for (const std::string& part : broken.says) CHECK_THAT(what, Contains(part));
  }
}

TEST_CASE("an unknown format is a usage error that lists the known ones") {
  CHECK_THROWS_AS(read(kGood, "sharegtp"), UsageError);
  for (const RowFormat& format : row_formats())
    CHECK_THAT(error_of(kGood, "sharegtp"), Contains("'sharegtp'") && Contains(format.name));
}

TEST_CASE("a file that is missing or a folder is an error") {
  const std::string folder = std::filesystem::temp_directory_path().string();
  CHECK_THROWS_AS(read_rows(folder + "/tptt_no_such_file.jsonl", "auto", 0), Error);
  CHECK_THROWS_AS(read_rows(folder, "auto", 0), Error);
}

TEST_CASE("an endless line is refused before it is held whole") {
  const std::string path = write_file("{\"prompt\": \"");
  std::filesystem::resize_file(path, LineReader::kMaxLine + (8ull << 20));  // sparse
  CHECK_THROWS_WITH(read_rows(path, "auto", 0), Contains(":1: line is longer than 64 MiB"));
  std::filesystem::remove(path);
}

TEST_CASE("UTF-8 ends at the first wrong byte") {
  CHECK(valid_utf8_prefix("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xEF\xBF\xBF\xF4\x8F\xBF\xBF") ==
        17);
  CHECK(valid_utf8_prefix(std::string_view("\0a", 2)) == 2);
  for (const char* wrong :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xE2\x82",
        "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF0\x9F\x98", "\xF5\x80\x80\x80", "\xFF"})
    CHECK(valid_utf8_prefix("ab" + std::string(wrong)) == 2);
}
