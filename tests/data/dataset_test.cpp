#include "data/dataset.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "models/formats/error.h"
#include "models/philox.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

std::string write_rows(const std::string& text) {
  const auto path =
      std::filesystem::temp_directory_path() / ("tptt_rows_" + std::to_string(getpid()) + ".jsonl");
  std::ofstream(path, std::ios::binary) << text;
  return path.string();
}

}  // namespace

TEST_CASE("formats are recognised") {
  CHECK(read_rows(write_rows(R"({"instruction": "a", "input": "b", "output": "c"})"), "auto", 0)[0]
            .messages[0]
            .content == "a\n\nb");
  CHECK(read_rows(write_rows("[{\"prompt\": \"p\", \"completion\": \"c\"}]"), "auto", 0)[0]
            .completion == "c");
  CHECK(
      read_rows(write_rows("\xEF\xBB\xBF{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}, "
                           "{\"role\": \"assistant\", \"content\": \"y\"}]}\r\n\r\n"),
                "messages", 0)
          .size() == 1);
}

TEST_CASE("bad rows are named by file, line and field") {
  const std::string good = R"({"prompt": "p", "completion": "c"})"
                           "\n";
  CHECK_THROWS_WITH(read_rows(write_rows(good + R"({"prompt": "p"})"), "auto", 0),
                    Contains(".jsonl:2") && Contains("'completion' is missing"));
  CHECK_THROWS_WITH(read_rows(write_rows(good + "{"), "auto", 0), Contains(":2: no valid JSON"));
  CHECK_THROWS_WITH(read_rows(write_rows(good + "[1]"), "auto", 0), Contains(":2"));
  CHECK_THROWS_WITH(read_rows(write_rows(good + "\"\xFF\""), "auto", 0),
                    Contains(":2: no valid UTF-8"));
  CHECK_THROWS_WITH(
      read_rows(write_rows(R"({"messages": [{"role": "robot", "content": ""}]})"), "auto", 0),
      Contains("messages[0]") && Contains("robot"));
  CHECK_THROWS_WITH(read_rows(write_rows("\n\n"), "auto", 0), Contains("empty"));
  CHECK_THROWS_WITH(read_rows(write_rows(R"({"question": 1})"), "auto", 0),
                    Contains("no known dataset format"));
}

TEST_CASE("packing takes every example once and keeps to the length") {
  std::vector<Example> examples;
  for (int i = 0; i < 200; ++i) examples.push_back({TokenIds(size_t(5 + i * 7 % 90), 1), {}});
  std::vector<int64_t> seen;
  for (const auto& pack : pack_best_fit(examples, 100)) {
    int64_t length = 0;
    for (const int64_t i : pack) length += int64_t(examples[i].ids.size());
    CHECK(length <= 100);
    seen.insert(seen.end(), pack.begin(), pack.end());
  }
  std::sort(seen.begin(), seen.end());
  CHECK(seen == epoch_order(200, 0, 0, false));
}

TEST_CASE("data order follows from seed and epoch alone") {
  CHECK(epoch_order(50, 1, 2, true) == epoch_order(50, 1, 2, true));
  CHECK(epoch_order(50, 1, 2, true) != epoch_order(50, 1, 3, true));
  CHECK(epoch_order(50, 1, 2, true) != epoch_order(50, 2, 2, true));
}

TEST_CASE("philox gives Random123's known answers") {
  CHECK(philox4x32(0, 0, 0) ==
        std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32(~0ull, ~0ull, ~0ull) ==
        std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
}
