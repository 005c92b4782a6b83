#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "tests/temp_dir.h"
#include "tests/trainer/tiny_run.h"

using namespace tptt;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

// A port for each case, so that two test programs do not meet.
std::string free_port() {
  static int next = 20000 + int(::getpid() % 20000);
  return std::to_string(next++);
}

/// The command of one of `size` processes started by hand.
std::string process(int rank, int size, const std::string& port, const std::string& arguments) {
  return "RANK=" + std::to_string(rank) + " WORLD_SIZE=" + std::to_string(size) +
         " MASTER_ADDR=127.0.0.1 MASTER_PORT=" + port + " " TPTT_BINARY " " + arguments;
}

/// What `size` processes did that were started as `tptt ARGUMENTS`, each with its own ending.
std::vector<Outcome> run_together(int size, const std::string& arguments,
                                  const std::vector<std::string>& own = {}) {
  const std::string port = free_port();
  std::vector<FILE*> started;
  for (int rank = 0; rank < size; ++rank)
    started.push_back(start_command(
        process(rank, size, port, arguments + " " + (own.empty() ? "" : own[size_t(rank)]))));
  std::vector<Outcome> outcomes;
  for (FILE* one : started) outcomes.push_back(outcome_of(one));
  return outcomes;
}

/// Largest difference between the numbers of two adapters, gates included.
double difference(const fs::path& a, const fs::path& b) {
  double most = 0;
  for (const char* name : {"adapter/adapter_model.safetensors", "adapter/liza.safetensors"}) {
    const std::string first = read_text(a / name), second = read_text(b / name);
    REQUIRE(first.size() == second.size());
    const auto header = *reinterpret_cast<const uint64_t*>(first.data()) + 8;
    REQUIRE(first.substr(0, header) == second.substr(0, header));
    for (size_t at = header; at + 4 <= first.size(); at += 4) {
      float x, y;
      std::memcpy(&x, first.data() + at, 4);
      std::memcpy(&y, second.data() + at, 4);
      most = std::max(most, double(std::abs(x - y)));
    }
  }
  return most;
}

constexpr const char* kLearnedGates =
    "liza: {operator_mode: delta_rule, mag: {mode: learned, mag_weight: 0.3}}\n";

constexpr const char* kTransfer =
    "liza: {operator_mode: learned_delta_rule, branch_scale: learned, max_self_attn_length: 8, "
    "transfer_steps: 2, mag: {mode: token, mag_weight: 0.3, gate_lr_multiplier: 2}}\n";

/// A model, its rows, and the arguments of a run in `dir`/NAME with so many micro-batches of its
/// own.
struct Setting {
  TempDir dir;
  std::string config;

  explicit Setting(const char* liza = kLearnedGates) {
    write_tiny_model(dir.path);
    config = write_tiny_config(dir.path, 21, liza);
  }
  fs::path run(const std::string& name) const { return dir.path / name; }
  std::string train(const std::string& name, int accumulation) const {
    return "train " + config + " training.output_dir=" + run(name).string() +
           " training.eval_steps=2 training.lr_scheduler_type=constant "
           "training.gradient_accumulation_steps=" +
           std::to_string(accumulation);
  }
};

}  // namespace

TEST_CASE("two and four processes train as one does with their global batch") {
  const Setting s(GENERATE(kLearnedGates, kTransfer));
  const Outcome alone = run_tptt(s.train("alone", 4));
  INFO(alone.text);
  REQUIRE(alone.code == 0);
  const auto expected = metrics_of(s.run("alone"));
  for (const int size : {2, 4}) {
    const std::string name = "of_" + std::to_string(size);
    const auto outcomes = run_together(size, s.train(name, 4 / size));
    for (const Outcome& outcome : outcomes) {
      INFO(outcome.text);
      REQUIRE(outcome.code == 0);
    }
    CHECK_THAT(outcomes[0].text, Contains("step 6: eval loss "));
    for (int rank = 1; rank < size; ++rank) CHECK(outcomes[size_t(rank)].text == "");
    CHECK(difference(s.run("alone"), s.run(name)) < 1e-5);
    const auto rows = metrics_of(s.run(name));
    REQUIRE(rows.size() == expected.size());
    for (size_t i = 0; i < rows.size(); ++i)
      for (const char* key :
           {"loss", "transfer_error", "eval_loss", "grad_norm", "target_tokens"}) {
        REQUIRE(rows[i].contains(key) == expected[i].contains(key));
        if (rows[i].contains(key))
          CHECK(double(rows[i][key]) == Approx(double(expected[i][key])).margin(1e-5));
      }
  }
}

TEST_CASE("a run goes on with another number of processes as it began") {
  const Setting s;
  REQUIRE(run_tptt(s.train("whole", 4)).code == 0);
  for (const Outcome& outcome : run_together(2, s.train("changed", 2) + " training.max_steps=3"))
    REQUIRE(outcome.code == 0);
  const Outcome rest = run_tptt(s.train("changed", 2));
  INFO(rest.text);
  REQUIRE(rest.code == 0);
  CHECK_THAT(rest.text, Contains("4 micro-batches, now shared by 1 process"));
  CHECK(difference(s.run("whole"), s.run("changed")) < 1e-5);
}

TEST_CASE("what differs between processes is named") {
  const Setting s;
  const auto settings = run_together(2, s.train("run", 1), {"", "training.learning_rate=0.5"});
  CHECK(settings[1].code == 2);
  CHECK_THAT(settings[1].text, Contains("process 1 of 2: other settings than process 0: "
                                        "training.learning_rate (0.01 there, 0.5 here)"));
  CHECK(settings[0].code == 1);
  CHECK_THAT(settings[0].text, Contains("process 0 of 2: lost the other processes"));
  const auto taken = run_together(2, s.train("model", 1));  // a directory of other files
  CHECK(taken[0].code == 2);
  CHECK_THAT(taken[0].text, Contains("holds"));
  CHECK(taken[1].code == 1);
  CHECK_THAT(taken[1].text, Contains("process 1 of 2: process 0 stopped: ") && Contains("holds"));
}

TEST_CASE("a process that never comes is waited for until the timeout") {
  const Setting s;
  const Outcome outcome =
      run_tptt("train " + s.config + " training.ddp_timeout=2 2>&1 < /dev/null");
  CHECK(outcome.code == 0);  // alone it waits for nobody
  const Outcome waited =
      run_command(process(0, 2, free_port(), s.train("run2", 1) + " training.ddp_timeout=2"));
  CHECK(waited.code == 1);
  CHECK_THAT(waited.text, Contains("no connection to all others by 127.0.0.1:"));
}

TEST_CASE("a cut link ends every process with an error within the timeout") {
  const Setting s;
  const std::string id = std::to_string(::getpid()), a = "tptt_a" + id, b = "tptt_b" + id;
  const auto shell = [](const std::string& command) {
    return std::system((command + " 2>/dev/null").c_str()) == 0;
  };
  if (!shell("ip netns add " + a)) {
    WARN("not run: network namespaces need root and iproute2");
    return;
  }
  REQUIRE(shell("ip netns add " + b + " && ip link add veth0 netns " + a +
                " type veth peer name veth0 netns " + b));
  for (const auto& [name, address] : {std::pair(a, "10.77.0.1/24"), std::pair(b, "10.77.0.2/24")})
    REQUIRE(shell("ip -n " + name + " addr add " + address + " dev veth0 && ip -n " + name +
                  " link set veth0 up && ip -n " + name + " link set lo up"));
  std::vector<FILE*> started;
  for (const auto& [name, rank] : {std::pair(a, "0"), std::pair(b, "1")})
    started.push_back(
        start_command("ip netns exec " + name + " env WORLD_SIZE=2 RANK=" + rank +
                      " LOCAL_RANK=0 LOCAL_WORLD_SIZE=1 MASTER_ADDR=10.77.0.1 " TPTT_BINARY " " +
                      s.train("run", 1) + " training.max_steps=1000000 training.ddp_timeout=5"));
  for (int i = 0; i < 3000 && !fs::exists(s.run("run") / "checkpoints/step-000004"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  REQUIRE(shell("ip -n " + a + " link set veth0 down"));
  const auto cut = std::chrono::steady_clock::now();
  for (FILE* one : started) {
    const Outcome outcome = outcome_of(one);
    INFO(outcome.text);
    CHECK(outcome.code == 1);
    CHECK_THAT(outcome.text, Contains("lost the other processes"));
  }
  CHECK(std::chrono::steady_clock::now() - cut < std::chrono::seconds(15));
  shell("ip netns del " + a);
  shell("ip netns del " + b);
}

TEST_CASE("torchrun starts a killed process again, and the adapter is the same") {
  const fs::path torchrun = TPTT_SOURCE_DIR "/.venv/bin/torchrun";
  if (!fs::exists(torchrun)) return;
  const Setting s;
  const std::string steps = " training.max_steps=40";
  for (const Outcome& outcome : run_together(2, s.train("whole", 2) + steps))
    REQUIRE(outcome.code == 0);
  // The second process of the first attempt dies once there is a checkpoint.
  write_text(s.dir.path / "worker.sh",
             "if [ \"$RANK\" = 1 ] && [ \"$TORCHELASTIC_RESTART_COUNT\" = 0 ]; then\n"
             "  \"$@\" &\n"
             "  until [ -e " +
                 s.run("broken").string() +
                 "/checkpoints/step-000002 ]; do sleep 0.01; done\n"
                 "  kill -9 $!; kill -9 $$\n"
                 "fi\nexec \"$@\"\n");
  const Outcome restarted = run_command(
      "OMP_NUM_THREADS=1 " + torchrun.string() +
      " --no-python --standalone --nproc-per-node=2 --max-restarts=1 sh " +
      (s.dir.path / "worker.sh").string() + " " TPTT_BINARY " " + s.train("broken", 2) + steps);
  INFO(restarted.text);
  REQUIRE(restarted.code == 0);
  CHECK_THAT(restarted.text, Contains("resumed from "));
  CHECK(adapter_of(s.run("whole")) == adapter_of(s.run("broken")));
}
