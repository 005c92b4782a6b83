#include "trainer/process_group.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>

#include <cstring>
#include <utility>

#include "models/formats/error.h"
#include "models/host_tensor.h"
#include "trainer/connect.h"

namespace tptt {

struct ProcessGroup::Pending::Work {
  c10::intrusive_ptr<c10d::Work> work;
};

namespace {

// What c10d and Gloo throw, as one line that says what to look at.
template <class Body>
auto with_advice(const std::string& advice, Body body) {
  const auto line = [&](std::string what) {
    return advice + " (" + what.substr(0, what.find('\n')) + ")";
  };
  try {
    return body();
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& e) {
    throw Error(line(e.what_without_backtrace()));
  } catch (const std::exception& e) {
    throw Error(line(e.what()));
  }
}

constexpr const char* kLost =
    "lost the other processes: see the error of the one that ended first, or the network";

}  // namespace

ProcessGroup::ProcessGroup(const Launch& launch, std::chrono::seconds timeout) : launch_(launch) {
  if (launch.world_size == 1) return;
  const std::string address = launch.master_addr + ":" + std::to_string(launch.master_port);
  connection_ =
      with_advice("no connection to all others by " + address + " (MASTER_ADDR, MASTER_PORT)",
                  [&] { return connect(launch, timeout); });
}

void ProcessGroup::add_device(at::Device device) {
  if (!connection_ || device.is_cpu()) return;
  with_advice("no connection by NCCL", [&] { connect_cuda(*connection_, launch_); });
}

void ProcessGroup::Pending::wait() {
  if (!work_) return;
  with_advice(kLost, [&] { work_->work->wait(); });
}

ProcessGroup::Pending ProcessGroup::sum_async(at::Tensor tensor) const {
  Pending pending;
  if (!connection_) return pending;
  TORCH_CHECK(tensor.is_contiguous());
  c10d::Backend& backend = connection_->of(tensor.device());
  std::vector<at::Tensor> tensors{std::move(tensor)};
  pending.work_ = std::make_shared<Pending::Work>(
      Pending::Work{with_advice(kLost, [&] { return backend.allreduce(tensors); })});
  return pending;
}

std::vector<double> ProcessGroup::sum(const std::vector<double>& numbers) const {
  if (!connection_ || numbers.empty()) return numbers;
  const at::Tensor all = at::tensor(numbers, at::kDouble);
  sum(all);
  const double* data = all.const_data_ptr<double>();
  return {data, data + all.numel()};
}

void ProcessGroup::broadcast(const at::Tensor& tensor, int64_t from) const {
  if (!connection_) return;
  const at::Tensor sent = tensor.detach().contiguous();
  std::vector<at::Tensor> tensors{sent};
  c10d::BroadcastOptions options;
  options.rootRank = from;
  with_advice(kLost, [&] { connection_->of(sent.device()).broadcast(tensors, options)->wait(); });
  if (rank() != from && sent.const_data_ptr() != tensor.const_data_ptr())
    tensor.detach().copy_(sent);
}

std::string ProcessGroup::broadcast(const std::string& text, int64_t from) const {
  if (!connection_) return text;
  const at::Tensor size = host_tensor({int64_t(text.size())}, at::kCPU);
  broadcast(size, from);
  const at::Tensor bytes = at::empty({size.item<int64_t>()}, at::kByte);
  if (rank() == from && !text.empty())
    std::memcpy(bytes.mutable_data_ptr<uint8_t>(), text.data(), text.size());
  if (bytes.numel() > 0) broadcast(bytes, from);
  const auto* data = reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>());
  return {data, size_t(bytes.numel())};
}

std::vector<std::string> ProcessGroup::gather(const std::string& text) const {
  std::vector<std::string> texts;
  for (int64_t from = 0; from < size(); ++from) texts.push_back(broadcast(text, from));
  return texts;
}

void ProcessGroup::on_main(const std::function<void()>& body) const {
  if (!connection_) return body();
  if (is_main()) {
    try {
      body();
    } catch (const std::exception& e) {
      broadcast(std::string(1, '!') + e.what());
      throw;
    }
    broadcast(std::string());
  } else {
    const std::string failure = broadcast(std::string());
    if (!failure.empty()) throw Error("process 0 stopped: " + failure.substr(1));
  }
}

}  // namespace tptt
