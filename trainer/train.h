#pragma once

#include <string>

#include "trainer/config.h"

namespace tptt {

/// A signal ended the run after its state was saved.
struct Interrupted {
  int exit_code;
};

struct TrainFlags {
  std::string resume = "auto";
  bool dry_run = false;
  int64_t world_size = 1;  // of a dry run: the processes it forecasts for
};

/// Trains as the configuration says and leaves the run directory. Throws Error, Interrupted.
void train(Config config, const TrainFlags& flags);

}  // namespace tptt
