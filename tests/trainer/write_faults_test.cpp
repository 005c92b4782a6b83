#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "tests/temp_dir.h"
#include "tests/trainer/tiny_run.h"

using namespace tptt;
namespace fs = std::filesystem;

namespace {

/// A run whose writes fail as tests/faults/write_faults.cpp is told.
struct FaultyRun {
  TempDir dir;
  std::string command;
  fs::path run = dir.path / "run";

  FaultyRun() {
    write_tiny_model(dir.path);
    const std::string liza = "liza: {operator_mode: gated_delta_rule}\n";
    command = "train " + write_tiny_config(dir.path, 8, liza) + " training.max_steps=4";
  }

  Outcome sound() const { return run_tptt(command); }

  Outcome faulty(const std::string& fault, int at) const {
    const std::string count = (dir.path / "count").string();
    const std::pair<const char*, std::string> variables[] = {
        {"LD_PRELOAD", TPTT_WRITE_FAULTS},     {"TPTT_FAULT_DIR", run.string()},
        {"TPTT_FAULT_COUNT", count},           {"TPTT_FAULT", fault},
        {"TPTT_FAULT_AT", std::to_string(at)},
    };
    for (const auto& [name, value] : variables) ::setenv(name, value.c_str(), 1);
    const Outcome outcome = run_tptt(command);
    for (const auto& [name, value] : variables) ::unsetenv(name);
    return outcome;
  }

  int writes() const { return std::stoi(read_text(dir.path / "count")); }

  std::string adapter() const { return adapter_of(run); }
};

/// The step from which a run went on; 0: from the beginning.
int64_t resumed_step(const std::string& text) {
  const std::string before = "resumed from ", name = "step-";
  const size_t at = text.find(before);
  if (at == std::string::npos) return 0;
  return std::stoll(text.substr(text.find(name, at) + name.size(), 6));
}

/// Lets each write of a run go wrong in turn, and goes on: from no earlier checkpoint than after
/// the write before, and to the bytes of a run that nothing befell.
void fail_each_write(const std::string& fault, const std::string& said) {
  FaultyRun r;
  REQUIRE(r.faulty("", 0).code == 0);
  const int writes = r.writes();
  REQUIRE(writes > 40);
  const std::string whole = r.adapter();
  int64_t from = 0;
  for (int at = 1; at <= writes; ++at) {
    fs::remove_all(r.run);
    const Outcome failed = r.faulty(fault, at);
    CAPTURE(fault, at, failed.text);
    REQUIRE(failed.code != 0);
    REQUIRE(failed.text.find(said) != std::string::npos);
    const Outcome resumed = r.sound();
    CAPTURE(resumed.text);
    REQUIRE(resumed.code == 0);
    REQUIRE(resumed_step(resumed.text) >= from);
    from = resumed_step(resumed.text);
    REQUIRE(r.adapter() == whole);
  }
  CHECK(from == 4);
}

}  // namespace

TEST_CASE("a run that is killed at any write goes on from its newest checkpoint") {
  fail_each_write("kill", "");
}

TEST_CASE("a power loss at any write leaves the newest checkpoint that was complete") {
  fail_each_write("powerloss", "");
}

TEST_CASE("a disk that is full at any write is named, and costs no checkpoint") {
  fail_each_write("ENOSPC", "No space left on device");
}

TEST_CASE("an input/output error at any write is named, and costs no checkpoint") {
  fail_each_write("EIO", "Input/output error");
}
