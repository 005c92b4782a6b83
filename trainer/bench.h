#pragma once

#include "trainer/config.h"

namespace tptt {

struct BenchFlags {
  int64_t steps = 5;
  bool json = false;
};

/// Prints where the time and the memory of a configuration's steps go: data, forward, backward,
/// optimiser (medians), the rate of its matrix products beside what the machine does for the same
/// shapes, peak memory. Leaves no run directory. Throws Error / UsageError.
void bench(Config config, const BenchFlags& flags);

}  // namespace tptt
