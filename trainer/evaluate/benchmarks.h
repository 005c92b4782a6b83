#pragma once

#include "trainer/commands.h"

namespace tptt {

/// Asks the tasks of --task, streams a sample a question to a file and writes the results. Throws
/// Error.
void run_benchmarks(const CommonFlags& common, const EvalFlags& flags);

}  // namespace tptt
