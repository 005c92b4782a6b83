#pragma once

#include <c10/core/Device.h>

#include <chrono>
#include <memory>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "trainer/launch.h"

namespace tptt {

/// A process's connections to the others.
struct Connection {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::Backend> cpu, cuda;  // cuda: once it was connected
  std::chrono::milliseconds timeout;

  c10d::Backend& of(at::Device device) const { return device.is_cpu() ? *cpu : *cuda; }
};

/// Meets the other processes at the master's TCP store and connects them by Gloo. Nothing listens
/// beyond the interface that the master is reached by: c10d knows no passwords. Throws c10::Error,
/// Error.
std::shared_ptr<Connection> connect(const Launch& launch, std::chrono::milliseconds timeout);

/// Adds NCCL between CUDA devices.
void connect_cuda(Connection& connection, const Launch& launch);

}  // namespace tptt
