#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace tptt {

/// One of the processes that train together, as what started it says in the environment.
struct Launch {
  int64_t rank = 0, world_size = 1;
  int64_t local_rank = 0, local_world_size = 1;  // among those of this machine
  std::string master_addr = "127.0.0.1";         // where process 0 is
  int64_t master_port = 29500;
  bool agent_store = false;   // torchrun's agent serves the store at that address
  int64_t restart_count = 0;  // of torchrun
};

/// One of several processes' share of what is numbered: what leaves `rank` when divided by `size`.
struct Share {
  int64_t rank = 0, size = 1;

  bool has(int64_t number) const { return number % size == rank; }
};

/// Looks up an environment variable; null: not set.
using Environment = std::function<const char*(const char*)>;

/// Reads what torchrun (RANK, WORLD_SIZE, ...; also when set by hand), Open MPI, MPICH, Intel MPI
/// and Slurm (srun) set; a process without any of it is alone. Throws UsageError that names the
/// variable.
Launch read_launch(const Environment& environment);

/// The first host of Slurm's list: "node[03-07,9],other" -> "node03".
std::string first_host(const std::string& node_list);

}  // namespace tptt
