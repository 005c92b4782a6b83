#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/temp_dir.h"
#include "tests/trainer/tiny_run.h"

using namespace tptt;
namespace fs = std::filesystem;

namespace {

Outcome run_within(int megabytes, const std::string& arguments) {
  return run_command("ulimit -v " + std::to_string(megabytes * 1000) + "; exec " TPTT_BINARY " " +
                     arguments);
}

bool says(const Outcome& outcome, const char* text) {
  return outcome.text.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("a run without enough memory says so and keeps its checkpoint") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string arguments = "train " + write_tiny_config(dir.path);
  REQUIRE(run_tptt(arguments + " training.output_dir=" + (dir.path / "whole").string()).code == 0);
  const std::string adapter = adapter_of(dir.path / "whole");

  REQUIRE(run_tptt(arguments).code == 0);
  fs::remove_all(dir.path / "run/checkpoints/step-000006");
  int failed = 0, done = 0, megabytes = 420;
  for (; done == 0 && megabytes < 4000; megabytes += 3) {
    if (run_within(megabytes, "--version").code != 0) continue;  // no room for the libraries
    const Outcome outcome = run_within(megabytes, arguments);
    CAPTURE(megabytes, outcome.text);
    REQUIRE(fs::exists(dir.path / "run/checkpoints/step-000004/manifest.json"));
    done += outcome.code == 0;
    failed += outcome.code == 1;
    REQUIRE((outcome.code == 0 || says(outcome, "memory") ||
             says(outcome, "Resource temporarily unavailable")));
    REQUIRE((outcome.code == 0 || outcome.code == 1));
  }
  CHECK(failed > 0);
  CHECK(done == 1);
  // With barely enough, oneDNN has no room for its fast kernels; the others round otherwise.
  fs::remove_all(dir.path / "run/checkpoints/step-000006");
  REQUIRE(run_within(megabytes + 60, arguments).code == 0);
  CHECK(adapter_of(dir.path / "run") == adapter);
}
