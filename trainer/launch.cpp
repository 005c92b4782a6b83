#include "trainer/launch.h"

#include <charconv>
#include <cstring>
#include <optional>

#include "models/formats/error.h"

namespace tptt {
namespace {

// Names of one starter's variables.
struct Starter {
  const char *rank, *world_size, *local_rank, *local_world_size;
};

constexpr Starter kStarters[] = {
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"},
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
     "OMPI_COMM_WORLD_LOCAL_SIZE"},
    {"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"},
    // Not SLURM_NTASKS: a batch script has it as well, whose program runs once.
    {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"},
};

constexpr int64_t kMostProcesses = 1 << 16;

std::optional<int64_t> number(const Environment& environment, const char* name, int64_t min,
                              int64_t max) {
  const char* text = environment(name);
  if (!text || !*text) return std::nullopt;
  int64_t value = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  if (error != std::errc() || stop != end || value < min || value > max)
    throw UsageError(std::string("environment variable ") + name + "=" + text +
                     ": expected a number from " + std::to_string(min) + " to " +
                     std::to_string(max));
  return value;
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

// How many machines there are, as far as the starter says.
bool on_one_machine(const Environment& environment, const std::optional<int64_t>& local_size,
                    int64_t world_size) {
  const auto nodes = number(environment, "SLURM_STEP_NUM_NODES", 1, kMostProcesses);
  return nodes ? *nodes == 1 : local_size && *local_size == world_size;
}

std::string find_master(const Environment& environment, bool one_machine) {
  if (const char* address = environment("MASTER_ADDR"); address && *address) return address;
  if (one_machine) return "127.0.0.1";
  if (const char* nodes = environment("SLURM_STEP_NODELIST"); nodes && *nodes)
    return first_host(nodes);
  throw UsageError(
      "environment variable MASTER_ADDR is not set: with processes on several machines it names "
      "the host of process 0");
}

}  // namespace

std::string first_host(const std::string& node_list) {
  const std::string first = node_list.substr(0, node_list.find_first_of("[,"));
  if (first.size() == node_list.size() || node_list[first.size()] == ',') return first;
  const size_t begin = first.size() + 1;
  const size_t end = node_list.find_first_of("-,]", begin);
  const size_t close = node_list.find(']', begin);
  if (end == std::string::npos || close == std::string::npos)
    throw UsageError("SLURM_STEP_NODELIST=" + node_list + ": expected hosts like node[01-04]");
  const std::string rest = node_list.substr(close + 1);
  return first + node_list.substr(begin, end - begin) + rest.substr(0, rest.find(','));
}

Launch read_launch(const Environment& environment) {
  Launch launch;
  for (const Starter& starter : kStarters) {
    const auto size = number(environment, starter.world_size, 1, kMostProcesses);
    if (!size) continue;
    const auto rank = number(environment, starter.rank, 0, *size - 1);
    if (!rank && *size > 1)
      throw UsageError(std::string("environment variable ") + starter.world_size + " is set but " +
                       starter.rank + " is not: each process needs its number");
    if (*size == 1) return launch;
    launch.world_size = *size;
    launch.rank = *rank;
    auto local_size = number(environment, starter.local_world_size, 1, *size);
    const char* address = environment("MASTER_ADDR");
    if (!local_size && address && is_loopback(address)) local_size = *size;  // started by hand
    const bool one_machine = on_one_machine(environment, local_size, *size);
    launch.master_addr = find_master(environment, one_machine);
    launch.local_world_size = one_machine ? *size : local_size.value_or(1);
    launch.local_rank = number(environment, starter.local_rank, 0, *size - 1)
                            .value_or(*rank % launch.local_world_size);
    launch.master_port = number(environment, "MASTER_PORT", 1, 65535).value_or(launch.master_port);
    const char* agent = environment("TORCHELASTIC_USE_AGENT_STORE");
    launch.agent_store = agent && std::string(agent) == "True";
    launch.restart_count =
        number(environment, "TORCHELASTIC_RESTART_COUNT", 0, int64_t(1) << 40).value_or(0);
    return launch;
  }
  return launch;
}

}  // namespace tptt
