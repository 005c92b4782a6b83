#include "trainer/run_dir.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>

#include "models/formats/error.h"
#include "tests/temp_dir.h"
#include "trainer/checkpoint_dir.h"

using namespace tptt;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

Config config_in(const fs::path& dir) {
  Config config;
  config.model.name_or_path = "m";
  config.data.train = {{.path = "a.jsonl"}};
  config.training.output_dir = dir.string();
  return config;
}

void save(const RunDir& run, int64_t step) {
  write_checkpoint_dir(run, step, 9, -1,
                       [](const fs::path& to) { write_text(to / "a.bin", "abc"); });
}

/// Opens the directory and begins a run in it.
RunDir begin(Config& config, const std::string& resume = "auto") {
  RunDir run = open_run_dir(config, resume);
  write_run_config(run, config);
  return run;
}

std::string refusal(Config config, const std::string& resume = "auto") {
  return message_of<UsageError>([&] { begin(config, resume); });
}

}  // namespace

TEST_CASE("a new run writes its configuration") {
  const TempDir dir;
  Config config = config_in(dir.path / "deep" / "run");
  const RunDir run = begin(config);
  CHECK(read_text(run.config_yaml()) == to_yaml(config));
  CHECK_FALSE(run.resume_from);
  CHECK(run.resume_step() == 0);
  CHECK(run.checkpoint(100).filename() == "step-000100");
}

TEST_CASE("a second run is refused at once with the first one's pid and a killed one frees it") {
  const TempDir dir;
  Config config = config_in(dir.path);
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const RunDir run = begin(config);
    if (::write(ready[1], "x", 1) != 1) ::_exit(1);
    while (true) ::pause();
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  const auto start = std::chrono::steady_clock::now();
  const std::string text = message_of<Error>([&] { begin(config); });
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1));
  CHECK_THAT(text, Contains("in use") && Contains(std::to_string(child)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK_NOTHROW(begin(config));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("a run with other settings is refused by key and left as it was") {
  const TempDir dir;
  Config config = config_in(dir.path);
  { begin(config); }
  const std::string before = read_text(dir.path / "config.yaml");
  config.lora.r = 4;
  CHECK_THAT(refusal(config), Contains("lora.r (8 there, 4 now)"));
  CHECK(read_text(dir.path / "config.yaml") == before);
  config.lora.r = 8;
  config.training.max_steps = 50;
  CHECK(refusal(config).empty());
  CHECK_THAT(read_text(dir.path / "config.yaml"), Contains("max_steps: 50"));
}

TEST_CASE("foreign directories and files are refused and left as they were") {
  const TempDir dir;
  write_text(dir.path / "thesis.tex", "x");
  CHECK_THAT(refusal(config_in(dir.path)), Contains("holds thesis.tex but no run"));
  CHECK(std::distance(fs::directory_iterator(dir.path), {}) == 1);
  CHECK_THAT(refusal(config_in(dir.path / "thesis.tex")), Contains("is a file"));
}

TEST_CASE("what a run killed at its start leaves is no obstacle") {
  const TempDir dir;
  write_text(dir.path / ".lock", "1\n");
  write_text(dir.path / ".config.yaml.tmp", "mod");
  CHECK(refusal(config_in(dir.path)).empty());
}

TEST_CASE("resume never refuses an existing run") {
  const TempDir dir;
  Config config = config_in(dir.path);
  { begin(config, "never"); }
  CHECK_THAT(refusal(config, "never"), Contains("--resume is never"));
}

TEST_CASE("resume auto takes the newest checkpoint that verifies") {
  const TempDir dir;
  Config config = config_in(dir.path);
  {
    const RunDir run = begin(config);
    for (const int64_t step : {5, 10, 15}) save(run, step);
    write_text(run.checkpoint(15) / "a.bin", "abd");
    fs::create_directory(run.checkpoint(20));
    fs::create_directory(run.checkpoints() / ".tmp-25-1");
  }
  const RunDir run = begin(config);
  CHECK(run.resume_step() == 10);
  CHECK_FALSE(fs::exists(run.checkpoints() / ".tmp-25-1"));
}

TEST_CASE("resume from a path checks it and its run") {
  const TempDir dir;
  Config config = config_in(dir.path / "a");
  {
    const RunDir run = begin(config);
    save(run, 5);
    save(run, 10);
  }
  const std::string step5 = (dir.path / "a/checkpoints/step-000005").string();
  CHECK(open_run_dir(config, step5 + "/").resume_step() == 5);
  Config other = config_in(dir.path / "b");
  CHECK(open_run_dir(other, step5).resume_step() == 5);
  other.training.learning_rate = 1;
  CHECK_THAT(refusal(other, step5), Contains("training.learning_rate"));
  CHECK_THAT(refusal(config, "/nonexistent"), Contains("no complete checkpoint"));
}

TEST_CASE("auto settings become what the run resolved") {
  const TempDir dir;
  Config config = config_in(dir.path);
  {
    const RunDir run = begin(config);
    config.model.dtype = "bfloat16";
    write_run_config(run, config);
  }
  config.model.dtype = "auto";
  begin(config);
  CHECK(config.model.dtype == "bfloat16");
}

TEST_CASE("a start that fails before the run begins leaves no obstacle") {
  const TempDir dir;
  Config config = config_in(dir.path);
  { open_run_dir(config, "auto"); }
  config.lora.r = 4;
  CHECK(refusal(config).empty());
}
