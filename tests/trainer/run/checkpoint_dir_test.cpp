#include "trainer/checkpoint_dir.h"

#include <catch2/catch.hpp>

#include "models/formats/error.h"
#include "tests/temp_dir.h"
#include "trainer/file_sum.h"

using namespace tptt;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

using Fill = std::function<void(const fs::path&)>;

Fill files(const std::string& text) {
  return [text](const fs::path& to) {
    write_text(to / "adapter.bin", text);
    write_text(to / "state.json", "{}");
  };
}

std::string problem(const fs::path& dir) {
  return verify_checkpoint(dir).value_or("");
}

}  // namespace

TEST_CASE("FNV-1a of known strings") {
  const TempDir dir;
  write_text(dir.path / "f", "foobar");
  CHECK(sum_file(dir.path / "f").fnv1a64 == 0x85944171f73967e8ull);
  CHECK(sum_file(dir.path / "f").size == 6);
  CHECK_THROWS_AS(sum_file(dir.path), Error);
}

TEST_CASE("checkpoints verify and only the newest are kept") {
  const TempDir dir;
  const RunDir run(dir.path, -1);
  for (const int64_t step : {1, 2, 3, 1000000}) write_checkpoint_dir(run, step, 2, -1, files("x"));
  CHECK_FALSE(fs::exists(run.checkpoint(2)));
  CHECK(problem(run.checkpoint(3)).empty());
  CHECK(newest_complete_checkpoint(run.checkpoints()) == run.checkpoint(1000000));
  CHECK(std::distance(fs::directory_iterator(run.checkpoints()), {}) == 2);
}

TEST_CASE("a step saved again replaces the earlier one") {
  const TempDir dir;
  const RunDir run(dir.path, -1);
  write_checkpoint_dir(run, 7, 2, -1, files("old"));
  write_checkpoint_dir(run, 7, 2, -1, files("new"));
  CHECK(read_text(run.checkpoint(7) / "adapter.bin") == "new");
  CHECK(problem(run.checkpoint(7)).empty());
  CHECK(std::distance(fs::directory_iterator(run.checkpoints()), {}) == 1);
}

TEST_CASE("a save that fails leaves the earlier checkpoint") {
  const TempDir dir;
  const RunDir run(dir.path, -1);
  write_checkpoint_dir(run, 1, 1, -1, files("x"));
  const Fill bad = [](const fs::path& to) {
    files("y")(to);
    throw Error("disk full");
  };
  CHECK_THROWS_WITH(write_checkpoint_dir(run, 2, 1, -1, bad), "disk full");
  CHECK(newest_complete_checkpoint(run.checkpoints()) == run.checkpoint(1));
}

TEST_CASE("damage to a checkpoint is named by file") {
  const TempDir dir;
  const RunDir run(dir.path, -1);
  write_checkpoint_dir(run, 1, 2, -1, files("abc"));
  const fs::path checkpoint = run.checkpoint(1), file = checkpoint / "adapter.bin";
  SECTION("changed byte") {
    write_text(file, "abd");
    CHECK_THAT(problem(checkpoint), Contains("adapter.bin") && Contains("hash"));
  }
  SECTION("cut off") {
    write_text(file, "ab");
    CHECK_THAT(problem(checkpoint), Contains("adapter.bin") && Contains("2 bytes"));
  }
  SECTION("missing file") {
    fs::remove(file);
    CHECK_THAT(problem(checkpoint), Contains("adapter.bin: missing"));
  }
  SECTION("link instead of a file") {
    fs::rename(file, dir.path / "elsewhere");
    fs::create_symlink(dir.path / "elsewhere", file);
    CHECK_THAT(problem(checkpoint), Contains("no regular file"));
  }
  SECTION("no manifest") {
    fs::remove(checkpoint / "manifest.json");
    CHECK_THAT(problem(checkpoint), Contains("manifest.json"));
  }
  SECTION("another step's directory") {
    fs::rename(checkpoint, run.checkpoint(2));
    CHECK_THAT(problem(run.checkpoint(2)), Contains("'step'"));
  }
  SECTION("a name that leaves the directory") {
    write_text(checkpoint / "manifest.json",
               R"({"step": 1, "files": {"../config.yaml": {"size": 1, "fnv1a64": "0"}}})");
    CHECK_THAT(problem(checkpoint), Contains("no plain file name"));
  }
  SECTION("a manifest that is no object") {
    write_text(checkpoint / "manifest.json", "[]");
    CHECK_THAT(problem(checkpoint), Contains("'files'"));
  }
}

TEST_CASE("only step directories are checkpoints") {
  CHECK(checkpoint_step("a/step-000100") == 100);
  for (const char* name : {"step-100", "step-00010x", "step--00001", ".tmp-5-1", "100", ""}) {
    CHECK_FALSE(checkpoint_step(name));
  }
}
