#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trainer/launch.h"

namespace tptt {

/// The processes that train together, over PyTorch's c10d: tensors on the CPU travel by Gloo, those
/// on a CUDA device by NCCL. All processes make the same calls in the same order. A process alone
/// is a group too, whose calls do nothing.
class ProcessGroup {
 public:
  ProcessGroup() = default;
  /// Waits for the others; throws Error when one is not there within `timeout`, which every later
  /// call has as well.
  ProcessGroup(const Launch& launch, std::chrono::seconds timeout);
  /// Connects this process's CUDA device with those of the others; a CPU needs no more. Throws
  /// Error.
  void add_device(at::Device device);

  int64_t rank() const { return launch_.rank; }
  int64_t size() const { return launch_.world_size; }
  bool is_main() const { return launch_.rank == 0; }
  const Launch& launch() const { return launch_; }
  Share share() const { return {rank(), size()}; }

  /// What was begun; wait() throws Error when another process is lost.
  class Pending {
   public:
    void wait();

   private:
    friend class ProcessGroup;
    struct Work;
    std::shared_ptr<Work> work_;
  };

  /// Puts the sum over all processes into `tensor`, a contiguous one; all get the same bits. Throws
  /// Error.
  void sum(at::Tensor tensor) const { sum_async(std::move(tensor)).wait(); }
  /// The same in the background; `tensor` is to be left alone until the wait.
  Pending sum_async(at::Tensor tensor) const;
  /// Sums of numbers.
  std::vector<double> sum(const std::vector<double>& numbers) const;

  /// One process's values for all. Throws Error.
  void broadcast(const at::Tensor& tensor, int64_t from = 0) const;
  std::string broadcast(const std::string& text, int64_t from = 0) const;
  /// Process 0's answer.
  bool decide(bool answer) const { return broadcast(std::string(answer, '1')) == "1"; }
  /// The texts of all processes, in their order.
  std::vector<std::string> gather(const std::string& text) const;

  /// Runs `body` in process 0; when it throws there, the others throw Error that says so.
  void on_main(const std::function<void()>& body) const;

 private:
  Launch launch_;
  std::shared_ptr<struct Connection> connection_;  // none: alone
};

}  // namespace tptt
