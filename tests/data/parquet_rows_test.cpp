#include <catch2/catch.hpp>

#include "data/dataset.h"
#include "data/row_hash.h"
#include "models/formats/error.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

const std::string kFolder = TPTT_SOURCE_DIR "/tests/golden/parquet/";

RowFile read(const std::string& name, const ReadOptions& options = {}) {
  return read_row_file(kFolder + name, options);
}

std::string error_of(const std::string& path, const ReadOptions& options = {}) {
  return message_of<Error>([&] { read_row_file(path, options); });
}

}  // namespace

#ifdef TPTT_PARQUET

TEST_CASE("the same rows in Parquet, CSV and JSONL say the same") {
  const auto hashes = row_hashes(read("rows.jsonl").rows, 1);
  REQUIRE(hashes.size() == 7);
  for (const char* name : {"rows.csv", "rows.parquet", "rows_zstd.parquet"}) {
    INFO(name);
    CHECK(row_hashes(read(name).rows, 1) == hashes);
  }
  CHECK(read("rows.parquet").kind == "Parquet");
  CHECK(read("rows.parquet", {.limit = 4}).rows.size() == 4);
  CHECK_THAT(read("rows.parquet").rows[4].where, Contains("rows.parquet: row 5"));
}

TEST_CASE("lists of structs become conversations") {
  const auto messages = read("messages.parquet").rows, sharegpt = read("sharegpt.parquet").rows;
  REQUIRE(messages.size() == 2);
  REQUIRE(sharegpt.size() == 2);
  CHECK(messages[0].messages[2].train == std::optional<bool>(true));
  for (size_t i = 0; i < 2; ++i) {
    REQUIRE(messages[i].messages.size() == 3 - i);
    for (size_t j = 0; j < messages[i].messages.size(); ++j) {
      CHECK(messages[i].messages[j].role == sharegpt[i].messages[j].role);
      CHECK(messages[i].messages[j].content == sharegpt[i].messages[j].content);
    }
  }
  CHECK(messages[0].messages[0].content == "s");
  CHECK(messages[1].messages[1].content == "b");
}

TEST_CASE("numbers and truth values are as in JSON") {
  const RowFile file = read("numbers.parquet", {.limit = 1, .prompt_template = "{i} {u} {f} {b}"});
  CHECK(file.rows[0].prompt == "-3 3 0.5 true");
}

TEST_CASE("a broken row of a Parquet file is named by file, row and field") {
  CHECK_THAT(error_of(kFolder + "bad.parquet"),
             Contains("bad.parquet: row 2") && Contains("'completion' is missing"));
  CHECK(read("bad.parquet", {.skip_bad_rows = true}).rows.size() == 2);
  CHECK_THAT(error_of(kFolder + "latin.parquet"), Contains("latin.parquet: row 1, column 'text'") &&
                                                      Contains("byte 2") && Contains("UTF-8"));
  CHECK_THAT(error_of(kFolder + "dates.parquet"), Contains("no column of texts"));
}

TEST_CASE("a Parquet file with any byte changed or its end cut off is read or refused") {
  const TempDir dir;
  const std::string path = (dir.path / "a.parquet").string();
  for (const char* name : {"rows.parquet", "messages.parquet", "rows_zstd.parquet"}) {
    const std::string good = read_text(kFolder + name);
    for (size_t at = 0; at < good.size(); ++at) {
      std::string bad = good;
      bad[at] = char(bad[at] ^ (at % 2 ? 0xFF : 0x10));
      write_text(path, bad);
      const std::string what = error_of(path, {.skip_bad_rows = true});
      CHECK(what.find('\n') == std::string::npos);
    }
    for (size_t size = 0; size < good.size(); size += 37) {
      write_text(path, good.substr(0, size));
      CHECK_THAT(error_of(path), Contains("a.parquet"));
    }
  }
}

#else

TEST_CASE("without Arrow a Parquet file is refused with what to install") {
  CHECK_THAT(error_of(kFolder + "rows.parquet"), Contains("scripts/setup.sh"));
}

#endif
