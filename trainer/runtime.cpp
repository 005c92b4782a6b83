#include "trainer/runtime.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <limits>
#include <thread>

#include "models/formats/error.h"
#include "models/frozen_weight.h"

namespace tptt {
namespace {

bool cpu_has_bf16_gemm() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("flags"))
      return line.find(" avx512_bf16") != std::string::npos ||
             line.find(" amx_bf16") != std::string::npos;
  return false;
}

double number_in(const std::string& path, double fallback) {
  double value = fallback;
  std::ifstream file(path);
  return file >> value ? value : fallback;  // "max" is no number: no limit
}

}  // namespace

at::Device resolve_device(const std::string& name, std::optional<int64_t> local_rank) {
  const bool cuda = at::globalContext().hasCUDA() &&
                    at::globalContext().getAcceleratorHooksInterface().deviceCount() > 0;
  if (name == "cpu" || (name == "auto" && !cuda)) return at::Device(at::kCPU);
  if (name == "auto" && !local_rank) return at::Device(at::kCUDA);
  const bool known = name == "auto" || name == "cuda" ||
                     (name.starts_with("cuda:") && name.size() > 5 && name.size() < 9 &&
                      name.find_first_not_of("0123456789", 5) == std::string::npos);
  if (!known) throw UsageError("device '" + name + "': expected auto, cpu, cuda or cuda:N");
  if (!cuda)
    throw UsageError(
        "device '" + name +
        "': this machine or this LibTorch has no CUDA; use device cpu, or a CUDA build "
        "(LIBTORCH=/path scripts/setup.sh)");
  const int64_t count = at::globalContext().getAcceleratorHooksInterface().deviceCount();
  const bool named = name.starts_with("cuda:");
  if (named && local_rank)
    throw UsageError("device '" + name +
                     "': each of several processes takes a device of its own; say cuda");
  const int64_t index = named ? std::stoll(name.substr(5)) : local_rank.value_or(0);
  if (index >= count)
    throw UsageError("device '" + name + "'" +
                     (local_rank ? " of process " + std::to_string(index) + " here" : "") +
                     ": this machine has " + std::to_string(count) +
                     " CUDA device(s), numbered from 0");
  return at::Device(at::kCUDA, int8_t(index));
}

at::ScalarType resolve_dtype(const std::string& name, at::Device device) {
  if (name == "float32") return at::kFloat;
  if (name == "bfloat16") return at::kBFloat16;
  if (name != "auto") throw UsageError("dtype '" + name + "': expected auto, float32 or bfloat16");
  return device.is_cuda() || cpu_has_bf16_gemm() ? at::kBFloat16 : at::kFloat;
}

std::string to_string(at::ScalarType dtype) {
  return dtype == at::kBFloat16 ? "bfloat16" : "float32";
}

void set_threads(int64_t num_threads, int64_t processes) {
  const int64_t share = int64_t(std::thread::hardware_concurrency()) / processes;
  at::set_num_threads(int(num_threads > 0 ? num_threads : std::max<int64_t>(1, share)));
  at::globalContext().setFlushDenormal(true);
  at::parallel_for(0, at::get_num_threads(), 1,
                   [](int64_t, int64_t) { at::globalContext().setFlushDenormal(true); });
}

double measure_gemm_gflops(int64_t rows, int64_t in, int64_t out, bool transposed,
                           at::ScalarType dtype, at::Device device) {
  constexpr int kRounds = 5;
  constexpr double kFlops = 5e9, kMostTimes = 20;  // a round: long enough to be measured
  const auto options = at::TensorOptions().dtype(dtype).device(device);
  const at::Tensor x = at::randn({rows, transposed ? out : in}, options);
  const at::Tensor w = at::randn({out, in}, options);
  FrozenWeight weight;
  weight.dense = w;
  const std::function<void()> ways[] = {
      [&] { at::mm(x, transposed ? w : w.t()); },
      [&] { transposed ? times(x, weight) : times_transposed(x, weight); }};
  const double flops = 2.0 * double(rows) * double(in) * double(out);
  const int count = int(std::clamp(kFlops / flops, 1.0, kMostTimes));
  using Clock = std::chrono::steady_clock;
  double best = 0;
  for (int round = 0; round < kRounds; ++round)
    for (const auto& multiply : ways) {
      const auto start = Clock::now();
      for (int i = 0; i < count; ++i) multiply();
      wait_for(device);
      const std::chrono::duration<double> seconds = Clock::now() - start;
      best = std::max(best, 1e-9 * count * flops / seconds.count());
    }
  return best;
}

void wait_for(at::Device device) {
  if (!device.is_cpu())
    c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

double available_memory(at::Device device) {
  if (!device.is_cpu())
    return double(at::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).first);
  double available = std::numeric_limits<double>::infinity();
  std::ifstream info("/proc/meminfo");
  for (std::string name; info >> name;)
    if (name == "MemAvailable:" && info >> available) available *= 1024;
  const std::string group = "/sys/fs/cgroup/memory.";
  const double limit = number_in(group + "max", available);
  return std::min(available, std::max(0.0, limit - number_in(group + "current", 0)));
}

double rss_gb() {
  int64_t whole = 0, resident = 0;  // pages
  std::ifstream("/proc/self/statm") >> whole >> resident;
  return double(resident) * double(sysconf(_SC_PAGESIZE)) / 1e9;
}

double peak_rss_gb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return double(usage.ru_maxrss) * 1024 / 1e9;
}

}  // namespace tptt
