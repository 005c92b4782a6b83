#pragma once

#include <cstdint>
#include <string>

namespace tptt {

struct StepReport {
  int64_t step = 0, total = 0;
  double loss = 0, learning_rate = 0;
  double mag_weight = -1;  // negative: no memory
  double tokens_per_second = 0, seconds_left = 0;
};

/// One line of at most 80 columns.
std::string progress_line(const StepReport& report);

/// Shows a step on stderr: redrawn in place on a terminal, a line of its own elsewhere.
void show_progress(const StepReport& report);

}  // namespace tptt
