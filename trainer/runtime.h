#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

namespace tptt {

/// "auto", "cpu", "cuda" or "cuda:N" to a device. UsageError when CUDA is asked for and this
/// LibTorch or machine has none. The `local_rank`th of several processes on a machine takes the
/// device of that number, and may not name another.
at::Device resolve_device(const std::string& name, std::optional<int64_t> local_rank = {});

/// "float32", "bfloat16", or "auto": bfloat16 where the device multiplies it natively, else
/// float32.
at::ScalarType resolve_dtype(const std::string& name, at::Device device);
std::string to_string(at::ScalarType dtype);

/// Sets the number of compute threads (0: all cores, shared by so many processes) and flushes
/// denormals in each of them. To be called before the first tensor operation.
void set_threads(int64_t num_threads, int64_t processes = 1);

/// Rate of a product of [rows, in] with [in, out] in GFLOP/s, the best of several, measured now;
/// `transposed`: of [rows, out] with [out, in], as a backward has it.
double measure_gemm_gflops(int64_t rows, int64_t in, int64_t out, bool transposed,
                           at::ScalarType dtype, at::Device device);

/// Waits until an asynchronous device has done what it was given.
void wait_for(at::Device device);

/// Memory that a device has free, in bytes: on the CPU what the system and its control group leave.
double available_memory(at::Device device);

/// Resident memory of this process in GB (1e9 bytes), and the most it has been.
double rss_gb();
double peak_rss_gb();

}  // namespace tptt
