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

TEST_CASE("sharegpt names its parts otherwise") {
  for (const std::vector<std::string>& names :
       {std::vector<std::string>{"human", "gpt"}, {"user", "assistant"}}) {
    const Row row =
        read(R"({"conversations": [{"from": "system", "value": "s"}, {"from": ")" + names[0] +
             R"(", "value": "u"}, {"from": ")" + names[1] + R"(", "value": "a"}]})")[0];
    REQUIRE(row.messages.size() == 3);
    for (size_t i = 0; i < 3; ++i) {
      CHECK(row.messages[i].role == std::vector<std::string>{"system", "user", "assistant"}[i]);
      CHECK(row.messages[i].content == std::vector<std::string>{"s", "u", "a"}[i]);
      CHECK_FALSE(row.messages[i].train);
    }
  }
}

TEST_CASE("a message says whether it trains as in Axolotl or OpenAI's files") {
  const Row row = read(R"({"messages": [{"role": "user", "content": "u", "train": true}, )"
                       R"({"role": "assistant", "content": "a", "weight": 0}, )"
                       R"({"role": "user", "content": "u", "train": null}, )"
                       R"({"role": "assistant", "content": "a", "weight": 1.0}]})")[0];
  CHECK(row.messages[0].train == std::optional<bool>(true));
  CHECK(row.messages[1].train == std::optional<bool>(false));
  CHECK_FALSE(row.messages[2].train);
  CHECK(row.messages[3].train == std::optional<bool>(true));
}

TEST_CASE("a text row is a document; beside an instruction it is not read") {
  const Row row = read(R"({"text": "all of it", "source": 1})")[0];
  CHECK(row.is_document);
  CHECK(row.prompt.empty());
  CHECK(row.completion == "all of it");
  CHECK(read(R"({"text": "x", "instruction": "i", "output": "o"})")[0].messages.size() == 2);
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
      {"auto", user + "]}", {":1", "last of 'messages'", "the assistant's", "'user'"}},
      {"auto",
       user + R"(, {"role": "assistant", "content": "a", "train": 1}]})",
       {":1", "messages[1]", "'train'", "true or false"}},
      {"auto",
       user + R"(, {"role": "assistant", "content": "a", "weight": 0.5}]})",
       {":1", "messages[1]", "'weight'", "0 or 1", "0.5"}},
      {"auto",
       user + R"(, {"role": "assistant", "content": "a", "weight": 1, "train": false}]})",
       {":1", "messages[1]", "'train' and 'weight'"}},
      {"auto",
       R"({"messages": [{"role": "system", "content": "s", "train": true}]})",
       {":1", "messages[0]", "a system message does not train"}},
      {"auto",
       R"({"conversations": [{"from": "tool", "value": "x"}]})",
       {":1", "conversations[0]", "'from'", "\"tool\"", "human, gpt, system"}},
      {"auto",
       R"({"conversations": [{"from": "human"}]})",
       {":1", "conversations[0]", "'value'", "missing"}},
      {"sharegpt", kGood, {":1", "'conversations' is missing"}},
      {"auto", R"({"text": ""})", {":1", "'text' is empty"}},
      {"text", kGood, {":1", "'text'", "missing"}},
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

TEST_CASE("columns give the files' names for known fields") {
  const std::string path = write_file(R"({"question": "q", "answer": "a", "prompt": "not this"})"
                                      "\n" +
                                      kGood);
  const RowFile file = read_row_file(
      path, {.columns = {{"prompt", "question"}, {"completion", "answer"}, {"text", "none"}}});
  CHECK(file.rows[0].prompt == "q");
  CHECK(file.rows[0].completion == "a");
  CHECK(file.rows[1].prompt == "p");
  CHECK(file.columns_found == std::set<std::string>{"question", "answer"});
  const RowFile swapped = read_row_file(
      write_file(kGood), {.columns = {{"prompt", "completion"}, {"completion", "prompt"}}});
  CHECK(swapped.rows[0].prompt == "c");
  CHECK(swapped.rows[0].completion == "p");
}

TEST_CASE("a prompt template renders rows of no other format") {
  const std::string rows = R"({"q": "why?", "n": 3, "ok": true, "output": "so"})"
                           "\n";
  const ReadOptions options = {.prompt_template = "{{{q}}} {n} {ok}\n-> "};
  const RowFile file = read_row_file(write_file(rows), options);
  CHECK(file.format == "template");
  CHECK(file.rows[0].prompt == "{why?} 3 true\n-> ");
  CHECK(file.rows[0].completion == "so");
  CHECK(file.rows[0].messages.empty());
  CHECK(read_row_file(write_file(kGood), options).format == "prompt-completion");
  const RowFile forced = read_row_file(
      write_file(kGood), {.format = "template", .prompt_template = "Q: {prompt}\nA:"});
  CHECK(forced.rows[0].prompt == "Q: p\nA:");
}

TEST_CASE("what a prompt template cannot be or render is an error") {
  const auto refusal = [](const std::string& row, const std::string& text) {
    try {
      read_row_file(write_file(row), {.format = "template", .prompt_template = text});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  for (const auto& [text, says] :
       {std::pair("{a", "character 1"), std::pair("b}", "character 2"),
        std::pair("x {}", "an empty field name"),
        std::pair("no field", "no field of the row is in it"), std::pair("{{a}}", "no field"),
        std::pair("{a{b}}", "'{'"), std::pair("", "format template needs data.prompt_template")})
    CHECK_THAT(refusal(kGood, text), Contains("data.prompt_template") && Contains(says));
  const std::string row = R"({"a": "x", "list": [1], "output": "y"})";
  CHECK_THAT(refusal(row, "{b}"), Contains(":1") && Contains("\"b\"") &&
                                      Contains("the row has \"a\", \"list\", \"output\""));
  CHECK_THAT(refusal(row, "{list}"), Contains(":1") && Contains("a text or a number, got array"));
  CHECK_THAT(refusal(R"({"a": "x", "answer": "y"})", "{a}"),
             Contains("data.columns.completion") && Contains("the row has \"a\", \"answer\""));
}

TEST_CASE("bad rows are skipped, counted and listed where that is asked for") {
  std::string text = "{broken\n" + kGood + "[1]\n\n" + kGood + "{\"prompt\": \"\xFF\"}\n";
  for (int i = 0; i < 20; ++i)
    text += R"({"prompt": "p"})"
            "\n";
  const RowFile file = read_row_file(write_file(text), {.skip_bad_rows = true});
  CHECK(file.rows.size() == 2);
  CHECK(file.num_bad == 23);
  REQUIRE(file.bad.size() == 10);
  CHECK_THAT(file.bad[0], Contains(":1: no valid JSON"));
  CHECK_THAT(file.bad[1], Contains(":3: expected a JSON object"));
  CHECK_THAT(file.bad[2], Contains(":6") && Contains("UTF-8"));
  CHECK_THAT(file.bad[3], Contains(":7") && Contains("'completion' is missing"));
  const RowFile array = read_row_file(write_file("[" + kGood + ",{\"prompt\": 1},\n" + kGood + "]"),
                                      {.skip_bad_rows = true});
  CHECK(array.rows.size() == 2);
  CHECK(array.num_bad == 1);
  CHECK_THROWS_WITH(read_row_file(write_file("{}\n{}\n"), {.skip_bad_rows = true}),
                    Contains("none of its 2 rows can be read") && Contains(":1: no known dataset"));
  CHECK_THROWS_WITH(read_row_file(write_file("[" + kGood), {.skip_bad_rows = true}),
                    Contains("not closed"));
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
