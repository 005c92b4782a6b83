#include "trainer/event_file.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>

#include "models/formats/error.h"
#include "tests/temp_dir.h"

using namespace tptt;
namespace fs = std::filesystem;

namespace {

std::string hex(const std::string& bytes) {
  std::string out;
  char digits[3];
  for (const char byte : bytes) {
    std::snprintf(digits, sizeof digits, "%02x", unsigned(uint8_t(byte)));
    out += digits;
  }
  return out;
}

std::vector<fs::path> files_in(const fs::path& dir) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(dir)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

TEST_CASE("CRC-32C gives the vectors of RFC 3720") {
  std::string up, down;
  for (int i = 0; i < 32; ++i) up += char(i), down.insert(down.begin(), char(i));
  CHECK(crc32c("123456789") == 0xe3069283);
  CHECK(crc32c("") == 0);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aa);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43);
  CHECK(crc32c(up) == 0x46dd794e);
  CHECK(crc32c(down) == 0x113fdb5c);
}

// Made by tensorboard 2.21: RecordWriter and the messages' SerializeToString.
TEST_CASE("records and events have the bytes that tensorboard's own have") {
  CHECK(hex(tf_record("tptt")) == "04000000000000004245520474707474b95a5a83");
  CHECK(hex(version_event(1.5)) == "09000000000000f83f1a0d627261696e2e4576656e743a32");
  CHECK(hex(start_event(1.5, 3)) == "09000000000000f83f10033a020801");
  CHECK(hex(scalars_event(1.5, 300, {{"train/loss", 2.25}, {"a", -1}})) ==
        "09000000000000f83f10ac022a1d0a110a0a747261696e2f6c6f737315000010400a080a01611500"
        "0080bf");
  CHECK(hex(text_event(1.5, 1, "config", "hi")) ==
        "09000000000000f83f10012a240a220a06636f6e666967420c0807120412020801420268694a0a0a"
        "060a04746578742002");
}

TEST_CASE("a file begins with its version and its first step, and grows event by event") {
  const TempDir dir;
  EventFile file(dir.path, 3);
  const fs::path path = files_in(dir.path).at(0);
  CHECK(path.filename().string().starts_with("events.out.tfevents."));
  const std::string begun = read_text(path);
  const std::string version = tf_record(version_event(1.5));
  CHECK(begun.size() == version.size() + tf_record(start_event(1.5, 3)).size());
  CHECK(begun.substr(0, 12) == version.substr(0, 12));
  file.add_scalars(3, {{"a", 1.0}});
  CHECK(read_text(path).size() ==
        begun.size() + tf_record(scalars_event(1.5, 3, {{"a", 1}})).size());
}

TEST_CASE("a later file is read after the older ones, whatever the clock says") {
  const TempDir dir;
  write_text(dir.path / "events.out.tfevents.33333333333.host.1", "");
  write_text(dir.path / "events.out.tfevents.99999999999999999999.host.1", "");
  write_text(dir.path / "events.out.tfevents.x", "");
  EventFile first(dir.path, 0), second(dir.path, 0);
  std::vector<std::string> names;
  for (const auto& path : files_in(dir.path)) names.push_back(path.filename().string());
  CHECK(names[1].starts_with("events.out.tfevents.33333333334."));
  CHECK(names[2].starts_with("events.out.tfevents.33333333335."));
}

TEST_CASE("what a resumed run takes back is cut off") {
  const TempDir dir;
  const fs::path path = dir.path / "events.out.tfevents.1.host.1", other = dir.path / "other";
  const std::string head = tf_record(version_event(1)) + tf_record(start_event(1, 0)) +
                           tf_record(scalars_event(1, 0, {{"eval/loss", 3}}));
  const std::string two = tf_record(scalars_event(1, 200, {{"a", 1}}));
  const std::string three = tf_record(scalars_event(1, 300, {{"a", 1}}));
  const auto left = [&](const std::string& content, int64_t last_step) {
    write_text(path, content);
    truncate_events(dir.path, last_step);
    return read_text(path);
  };
  write_text(other, three);
  CHECK(left(head + two + three, 300) == head + two + three);
  CHECK(left(head + two + three, 299) == head + two);
  CHECK(left(head + two + three, 0) == head);
  CHECK(left(head + two + three, -1).empty());
  for (const size_t cut : {size_t(1), size_t(8), three.size() - 1})
    CHECK(left(head + three.substr(0, cut), 300) == head);
  CHECK(left(head + std::string(64, '\xff'), 300) == head);
  CHECK(left("", 5).empty());
  CHECK(read_text(other) == three);
}

TEST_CASE("an event file that cannot be made is an error") {
  CHECK_THROWS_AS(EventFile("/nonexistent", 0), Error);
}
