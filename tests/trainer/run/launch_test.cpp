#include "trainer/launch.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>

#include "models/formats/error.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

Launch launch_of(const std::map<std::string, std::string>& variables) {
  return read_launch([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

}  // namespace

TEST_CASE("a process that nobody started with others is alone") {
  CHECK(launch_of({}).world_size == 1);
  CHECK(launch_of({{"WORLD_SIZE", "1"}}).world_size == 1);
  // A batch script: its program runs once, whatever the job was given.
  CHECK(launch_of({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}).world_size == 1);
}

TEST_CASE("torchrun, mpirun and srun say which process this is") {
  const Launch torchrun = launch_of({{"RANK", "5"},
                                     {"WORLD_SIZE", "8"},
                                     {"LOCAL_RANK", "1"},
                                     {"LOCAL_WORLD_SIZE", "4"},
                                     {"MASTER_ADDR", "node0"},
                                     {"MASTER_PORT", "1234"},
                                     {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                     {"TORCHELASTIC_RESTART_COUNT", "2"}});
  CHECK(torchrun.rank == 5);
  CHECK(torchrun.world_size == 8);
  CHECK(torchrun.local_rank == 1);
  CHECK(torchrun.local_world_size == 4);
  CHECK(torchrun.master_addr == "node0");
  CHECK(torchrun.master_port == 1234);
  CHECK(torchrun.agent_store);
  CHECK(torchrun.restart_count == 2);

  const Launch by_hand =
      launch_of({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "localhost"}});
  CHECK(by_hand.local_rank == 1);
  CHECK(by_hand.local_world_size == 2);
  CHECK_FALSE(by_hand.agent_store);

  const Launch open_mpi = launch_of({{"OMPI_COMM_WORLD_RANK", "3"},
                                     {"OMPI_COMM_WORLD_SIZE", "4"},
                                     {"OMPI_COMM_WORLD_LOCAL_RANK", "3"},
                                     {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"}});
  CHECK(open_mpi.rank == 3);
  CHECK(open_mpi.master_addr == "127.0.0.1");

  const Launch mpich = launch_of({{"PMI_RANK", "1"},
                                  {"PMI_SIZE", "2"},
                                  {"MPI_LOCALRANKID", "0"},
                                  {"MPI_LOCALNRANKS", "1"},
                                  {"MASTER_ADDR", "a"}});
  CHECK(mpich.local_rank == 0);
  CHECK(mpich.local_world_size == 1);

  const Launch slurm = launch_of({{"SLURM_PROCID", "6"},
                                  {"SLURM_STEP_NUM_TASKS", "8"},
                                  {"SLURM_LOCALID", "2"},
                                  {"SLURM_NTASKS_PER_NODE", "4"},
                                  {"SLURM_STEP_NUM_NODES", "2"},
                                  {"SLURM_STEP_NODELIST", "gpu[07-08]"}});
  CHECK(slurm.rank == 6);
  CHECK(slurm.local_rank == 2);
  CHECK(slurm.local_world_size == 4);
  CHECK(slurm.master_addr == "gpu07");
}

TEST_CASE("Slurm's lists of hosts begin with the first one") {
  CHECK(first_host("one") == "one");
  CHECK(first_host("one,two") == "one");
  CHECK(first_host("n[03-07,9],other") == "n03");
  CHECK(first_host("n[5]") == "n5");
  CHECK(first_host("n[1-2].cluster,m") == "n1.cluster");
  CHECK_THROWS_WITH(first_host("n[1"), Contains("SLURM_STEP_NODELIST=n[1"));
}

TEST_CASE("what the environment says wrongly is named") {
  CHECK_THROWS_WITH(launch_of({{"RANK", "2"}, {"WORLD_SIZE", "2"}}), Contains("RANK=2"));
  CHECK_THROWS_WITH(launch_of({{"RANK", "x"}, {"WORLD_SIZE", "2"}}), Contains("RANK=x"));
  CHECK_THROWS_WITH(launch_of({{"WORLD_SIZE", "2"}}), Contains("RANK is not"));
  CHECK_THROWS_WITH(launch_of({{"RANK", "0"}, {"WORLD_SIZE", "2"}}), Contains("MASTER_ADDR"));
  CHECK_THROWS_AS(launch_of({{"RANK", "0"}, {"WORLD_SIZE", "99999999"}}), UsageError);
}
