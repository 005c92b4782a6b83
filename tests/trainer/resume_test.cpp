#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <random>
#include <thread>

#include "tests/temp_dir.h"
#include "tests/trainer/tiny_run.h"

using namespace tptt;
namespace fs = std::filesystem;

namespace {

constexpr const char* kGates = "liza: {operator_mode: gated_delta_rule, mag: {mode: learned}}\n";
constexpr const char* kTransfer =
    "liza: {operator_mode: learned_delta_rule, branch_scale: learned, max_self_attn_length: 4, "
    "num_sink_tokens: 1, transfer_steps: 6, mag: {mode: token, gate_lr_multiplier: 4}}\n";

/// A run of 20 steps with all that has a state of its own: packing, accumulation, dropout, noise,
/// learned gates, a schedule, several epochs, evaluations, the best of them kept.
struct LongRun {
  TempDir dir;
  std::vector<std::string> arguments;
  fs::path run = dir.path / "run";
  double seconds = 1e9;  // of the quickest run so far
  std::mt19937 random{11};

  explicit LongRun(const char* liza = kGates) {
    write_tiny_model(dir.path);
    const std::string config = write_tiny_config(dir.path, 40, liza);
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
                 "training.save_steps=1",
                 "training.report_to=[jsonl]"};
  }

  /// Starts the run, or goes on with it, and sends a signal at a random moment of the time that the
  /// quickest whole one took. The status that waitpid gives.
  int signalled(int signal) {
    const pid_t child = ::fork();
    if (child == 0) {
      std::vector<char*> words{const_cast<char*>(TPTT_BINARY)};
      for (const std::string& argument : arguments)
        words.push_back(const_cast<char*>(argument.c_str()));
      words.push_back(nullptr);
      (void)!::freopen("/dev/null", "w", stderr);
      ::execv(TPTT_BINARY, words.data());
      ::_exit(127);
    }
    std::uniform_real_distribution<double> moment(0, seconds);
    std::this_thread::sleep_for(std::chrono::duration<double>(moment(random)));
    ::kill(child, signal);
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }

  /// The step of the last row of metrics.jsonl; 0: there is none.
  int64_t last_step() const {
    if (!fs::exists(run / "metrics.jsonl")) return 0;
    const auto rows = metrics_of(run);
    return rows.empty() ? 0 : rows.back()["step"].get<int64_t>();
  }

  Outcome go() {
    std::string all;
    for (const std::string& argument : arguments) all += argument + " ";
    const auto start = std::chrono::steady_clock::now();
    const Outcome outcome = run_tptt(all);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    seconds = std::min(seconds, took.count());
    return outcome;
  }

  /// What the run leaves when nothing befalls it; then the directory is gone again.
  struct Left whole();

  /// Goes on without a signal, which must leave that; then the directory is gone again.
  void go_on_to(const struct Left& whole);
};

/// What a run leaves, but for times.
struct Left {
  std::string adapter, gates, moments, state;
  std::vector<Json> metrics;
  bool operator==(const Left&) const = default;
};

Left left_by(const fs::path& run) {
  const fs::path last = run / "checkpoints/step-000020";
  Left left{adapter_of(run),
            read_text(run / "adapter/liza.safetensors"),
            read_text(last / "optimizer.safetensors"),
            read_text(last / "trainer.json"),
            {}};
  for (Json row : metrics_of(run)) {
    for (const char* time : {"tokens_per_second", "step_seconds", "peak_rss_gb"}) row.erase(time);
    left.metrics.push_back(row);
  }
  return left;
}

Left LongRun::whole() {
  REQUIRE(go().code == 0);
  const Left left = left_by(run);
  fs::remove_all(run);
  return left;
}

void LongRun::go_on_to(const Left& whole) {
  const Outcome outcome = go();
  INFO(outcome.text);
  REQUIRE(outcome.code == 0);
  REQUIRE((left_by(run) == whole));
  fs::remove_all(run);
}

fs::path checkpoint(const fs::path& run, int step) {
  char name[32];
  std::snprintf(name, sizeof name, "checkpoints/step-%06d", step);
  return run / name;
}

}  // namespace

TEST_CASE("a run stopped after any of its steps ends as if it had not been") {
  LongRun r(GENERATE(kGates, kTransfer));
  REQUIRE(r.go().code == 0);
  const Left whole = left_by(r.run);
  REQUIRE(whole.metrics.size() >= 20 + 7);
  for (int k = 20; k >= 1; --k) {  // what a kill after step k left
    fs::remove_all(r.run / "adapter");
    fs::remove(r.run / "results.json");
    for (int later = k + 1; later <= 20; ++later) fs::remove_all(checkpoint(r.run, later));
    const Outcome outcome = r.go();
    CAPTURE(k, outcome.text);
    REQUIRE(outcome.code == 0);
    REQUIRE(outcome.text.find(checkpoint(r.run, k).string()) != std::string::npos);
    REQUIRE((left_by(r.run) == whole));
  }
}

TEST_CASE("a run killed at random moments ends as if it had not been") {
  LongRun r;
  const Left whole = r.whole();
  int killed = 0;
  for (int i = 0; killed < 30; ++i) {
    REQUIRE(i < 200);
    killed += WIFSIGNALED(r.signalled(SIGKILL));
    if (i % 3 < 2) continue;  // killed again as it goes on
    r.go_on_to(whole);
  }
}

TEST_CASE("a run that is asked to stop at random moments saves what it has done") {
  LongRun r;
  const Left whole = r.whole();
  int stopped = 0;
  for (int i = 0; stopped < 15; ++i) {
    REQUIRE(i < 200);
    const int signal = i % 2 ? SIGTERM : SIGINT;
    const int status = r.signalled(signal);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 128 + signal) {
      ++stopped;
      const int64_t step = r.last_step();
      CAPTURE(i, step);
      if (step > 0) REQUIRE(fs::exists(checkpoint(r.run, int(step)) / "manifest.json"));
    } else {  // before it listened, or after its end
      REQUIRE((WIFSIGNALED(status) || WEXITSTATUS(status) == 0));
    }
    if (i % 3 < 2) continue;
    r.go_on_to(whole);
  }
}
