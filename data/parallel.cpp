#include "data/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace tptt {
namespace {

constexpr int64_t kChunk = 64;

}  // namespace

void parallel_for(int64_t count, int64_t num_threads, const std::function<void(int64_t)>& work) {
  std::atomic<int64_t> next = 0;
  std::atomic<bool> failed = false;
  std::mutex mutex;
  std::exception_ptr error;
  int64_t error_index = count;
  // Chunks are taken in order, so that all before a failed one are finished by whoever took them.
  const auto run = [&] {
    while (!failed) {
      const int64_t begin = next.fetch_add(kChunk), end = std::min(begin + kChunk, count);
      if (begin >= count) return;
      for (int64_t i = begin; i < end; ++i) {
        try {
          work(i);
        } catch (...) {
          failed = true;
          const std::lock_guard lock(mutex);
          if (i < error_index) error = std::current_exception(), error_index = i;
          return;
        }
      }
    }
  };
  const int64_t cores = std::max(1u, std::thread::hardware_concurrency());
  const int64_t wanted = std::min(num_threads > 0 ? num_threads : cores, count / kChunk + 1);
  {
    std::vector<std::jthread> threads;
    for (int64_t i = 1; i < wanted; ++i) threads.emplace_back(run);
    run();
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace tptt
