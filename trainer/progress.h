#pragma once

#include <cstdint>
#include <string>

#include "trainer/metrics.h"

namespace tptt {

/// Shows training's progress on stderr: one line redrawn on a terminal, plain lines elsewhere.
struct Progress {
  int64_t total_steps = 0;
  bool terminal = false;
};

/// Throws nothing; asks whether stderr is a terminal.
Progress start_progress(int64_t total_steps);

/// Shows a logged step; `eta_seconds` below 0: not known yet.
void show_progress(const Progress& progress, const MetricsRow& row, double eta_seconds);

/// Leaves the bar's last state on a line of its own.
void end_progress(const Progress& progress);

/// Shows "WHAT done/total" on a terminal, redrawn in place and gone when done; elsewhere as a line
/// each half minute. `eta_seconds` below 0: not known.
void show_count(const std::string& what, int64_t done, int64_t total, double eta_seconds = -1);

/// "1:02", "3:01:02", ">99h".
std::string clock_text(double seconds);

/// "step 10/100 loss 2.310 lr 1.0e-03 mu 0.100 812 tok/s eta 1:02", what is not set left out.
std::string progress_text(int64_t total_steps, const MetricsRow& row, double eta_seconds);

/// The text with a bar before it, in at most 79 columns.
std::string progress_bar(int64_t total_steps, const MetricsRow& row, double eta_seconds);

}  // namespace tptt
