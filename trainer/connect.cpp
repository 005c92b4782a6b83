#include "trainer/connect.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef TPTT_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include "models/formats/error.h"

namespace tptt {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Addresses resolve(const Launch& launch, int kind) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = kind;
  const std::string port = std::to_string(launch.master_port);
  const int error = ::getaddrinfo(launch.master_addr.c_str(), port.c_str(), &hints, &found);
  if (error != 0) throw Error("MASTER_ADDR=" + launch.master_addr + ": " + ::gai_strerror(error));
  return {found, &::freeaddrinfo};
}

// A socket that only the master's own address hears; c10d's would hear all of them.
int listen_at_master(const Launch& launch) {
  const Addresses addresses = resolve(launch, SOCK_STREAM);
  const addrinfo& a = *addresses;
  const int fd = ::socket(a.ai_family, a.ai_socktype | SOCK_CLOEXEC, a.ai_protocol);
  const int on = 1;
  if (fd >= 0) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (fd >= 0 && ::bind(fd, a.ai_addr, a.ai_addrlen) == 0 && ::listen(fd, SOMAXCONN) == 0)
    return fd;
  const std::string why = std::strerror(errno);
  if (fd >= 0) ::close(fd);
  throw Error(
      "MASTER_ADDR=" + launch.master_addr + ", MASTER_PORT=" + std::to_string(launch.master_port) +
      ": cannot listen there: " + why + "; is it this machine's address, and the port free?");
}

// This machine's address on the way to the master.
std::string own_address(const Launch& launch) {
  const Addresses addresses = resolve(launch, SOCK_DGRAM);
  const addrinfo& a = *addresses;
  const int fd = ::socket(a.ai_family, a.ai_socktype | SOCK_CLOEXEC, a.ai_protocol);
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  const bool found = fd >= 0 && ::connect(fd, a.ai_addr, a.ai_addrlen) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0;
  const std::string why = std::strerror(errno);
  if (fd >= 0) ::close(fd);
  char host[NI_MAXHOST];
  if (!found || ::getnameinfo(reinterpret_cast<sockaddr*>(&own), size, host, sizeof host, nullptr,
                              0, NI_NUMERICHOST) != 0)
    throw Error("MASTER_ADDR=" + launch.master_addr + ": no way there: " + why);
  return host;
}

c10::intrusive_ptr<c10d::Store> meet(const Launch& launch, std::chrono::milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = uint16_t(launch.master_port);
  options.isServer = launch.rank == 0 && !launch.agent_store;
  options.waitWorkers = false;
  options.timeout = timeout;
  if (options.isServer) options.masterListenFd = listen_at_master(launch);
  // torchrun's store outlives a restart: what the processes before left there is not for these.
  const std::string prefix = "tptt/" + std::to_string(launch.restart_count);
  return c10::make_intrusive<c10d::PrefixStore>(
      prefix, c10::make_intrusive<c10d::TCPStore>(launch.master_addr, options));
}

c10::intrusive_ptr<c10d::Backend> connect_cpus(const c10::intrusive_ptr<c10d::Store>& store,
                                               const Launch& launch,
                                               std::chrono::milliseconds timeout) {
  using Gloo = c10d::ProcessGroupGloo;
  const auto options = Gloo::Options::create(timeout);
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  options->devices.push_back(
      interface && *interface ? Gloo::createDeviceForInterface(interface)
                              : Gloo::createDeviceForHostname(own_address(launch)));
  return c10::make_intrusive<Gloo>(store, int(launch.rank), int(launch.world_size), options);
}

}  // namespace

std::shared_ptr<Connection> connect(const Launch& launch, std::chrono::milliseconds timeout) {
  const auto store = meet(launch, timeout);
  return std::make_shared<Connection>(
      Connection{store, connect_cpus(store, launch, timeout), {}, timeout});
}

void connect_cuda(Connection& connection, const Launch& launch) {
#ifdef TPTT_NCCL
  const auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = connection.timeout;
  connection.cuda = c10::make_intrusive<c10d::ProcessGroupNCCL>(
      c10::make_intrusive<c10d::PrefixStore>("nccl", connection.store), int(launch.rank),
      int(launch.world_size), options);
#else
  throw Error("this build has no NCCL: give CMake the folder of nccl.h as NCCL_INCLUDE_DIR");
#endif
}

}  // namespace tptt
