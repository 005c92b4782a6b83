#pragma once

#include <cstdint>
#include <functional>

namespace tptt {

/// Calls `work` for each index below `count`, on `num_threads` threads (0: all cores) that take
/// chunks in turn. What `work` throws comes out, for the lowest index that throws.
void parallel_for(int64_t count, int64_t num_threads, const std::function<void(int64_t)>& work);

}  // namespace tptt
