#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <random>
#include <sstream>
#include <thread>

#include "models/formats/json.h"
#include "tests/temp_dir.h"
#include "tests/trainer/tiny_run.h"

using namespace tptt;
namespace fs = std::filesystem;

namespace {

/// A run of 20 steps with all that has a state of its own: packing, accumulation, dropout, noise,
/// learned gates, a schedule, several epochs, evaluations, the best of them kept.
struct LongRun {
  TempDir dir;
  std::vector<std::string> arguments;
  fs::path run = dir.path / "run";

  LongRun() {
    write_tiny_model(dir.path);
    const std::string config = write_tiny_config(
        dir.path, 40, "liza: {operator_mode: gated_delta_rule, mag: {mode: learned}}\n");
    arguments = {"train",
                 config,
                 "data.packing=true",
                 "data.max_length=48",
                 "training.max_steps=20",
                 "training.gradient_accumulation_steps=2",
                 "training.lr_scheduler_type=cosine",
                 "training.warmup_steps=3",
                 "training.neftune_noise_alpha=5",
                 "training.eval_steps=3",
                 "training.load_best_model_at_end=true",
                 "training.save_total_limit=30",
                 "training.report_to=[jsonl]"};
  }

  Outcome go(const std::string& more) const {
    std::string all;
    for (const std::string& argument : arguments) all += argument + " ";
    return run_tptt(all + more);
  }
};

/// What a run leaves, but for times.
struct Left {
  std::string adapter, gates, moments, state;
  std::vector<Json> metrics;
  bool operator==(const Left&) const = default;
};

Left left_by(const fs::path& run) {
  const fs::path last = run / "checkpoints/step-000020";
  Left left{read_text(run / "adapter/adapter_model.safetensors"),
            read_text(run / "adapter/liza.safetensors"),
            read_text(last / "optimizer.safetensors"),
            read_text(last / "trainer.json"),
            {}};
  std::istringstream lines(read_text(run / "metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    Json row = parse_json(line, "metrics");
    for (const char* time : {"tokens_per_second", "step_seconds", "peak_rss_gb"}) row.erase(time);
    left.metrics.push_back(row);
  }
  return left;
}

fs::path checkpoint(const fs::path& run, int step) {
  char name[32];
  std::snprintf(name, sizeof name, "checkpoints/step-%06d", step);
  return run / name;
}

}  // namespace

TEST_CASE("a run stopped after any of its steps ends as if it had not been") {
  const LongRun r;
  REQUIRE(r.go("training.save_steps=1").code == 0);
  const Left whole = left_by(r.run);
  REQUIRE(whole.metrics.size() >= 20 + 7);
  for (int k = 20; k >= 1; --k) {  // what a kill after step k left
    fs::remove_all(r.run / "adapter");
    fs::remove(r.run / "results.json");
    for (int later = k + 1; later <= 20; ++later) fs::remove_all(checkpoint(r.run, later));
    const Outcome outcome = r.go("training.save_steps=1");
    CAPTURE(k, outcome.text);
    REQUIRE(outcome.code == 0);
    REQUIRE(outcome.text.find(checkpoint(r.run, k).string()) != std::string::npos);
    REQUIRE((left_by(r.run) == whole));
  }
}

TEST_CASE("a run killed at random moments ends as if it had not been") {
  const LongRun r;
  const auto start = std::chrono::steady_clock::now();
  REQUIRE(r.go("training.save_steps=1").code == 0);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const Left whole = left_by(r.run);
  fs::remove_all(r.run);
  std::mt19937 random(11);
  std::uniform_real_distribution<double> moment(0, 1.2 * seconds.count());
  int killed = 0;
  for (int i = 0; i < 30; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      std::vector<char*> words{const_cast<char*>(TPTT_BINARY)};
      for (const std::string& argument : r.arguments)
        words.push_back(const_cast<char*>(argument.c_str()));
      words.insert(words.end(), {const_cast<char*>("training.save_steps=1"), nullptr});
      (void)!::freopen("/dev/null", "w", stderr);
      ::execv(TPTT_BINARY, words.data());
      ::_exit(127);
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(moment(random)));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    killed += WIFSIGNALED(status);
    if (i % 3 < 2) continue;  // killed again as it goes on
    const Outcome outcome = r.go("training.save_steps=1");
    CAPTURE(i, outcome.text);
    REQUIRE(outcome.code == 0);
    REQUIRE((left_by(r.run) == whole));
    fs::remove_all(r.run);
  }
  CHECK(killed >= 15);
}
