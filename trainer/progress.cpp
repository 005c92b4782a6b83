#include "trainer/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace tptt {

std::string progress_line(const StepReport& r) {
  char text[160];
  int n = std::snprintf(text, sizeof text, "step %ld/%ld loss %.4f lr %.2e", long(r.step),
                        long(r.total), r.loss, r.learning_rate);
  if (r.mag_weight >= 0)
    n += std::snprintf(text + n, sizeof text - size_t(n), " mu %.3f", r.mag_weight);
  const long left = long(r.seconds_left + 0.5);
  std::snprintf(text + n, sizeof text - size_t(n), " %.0f tok/s ETA %ld:%02ld", r.tokens_per_second,
                left / 60, left % 60);
  return text;
}

void show_progress(const StepReport& r) {
  const std::string line = progress_line(r);
  if (!isatty(STDERR_FILENO)) {
    std::fprintf(stderr, "%s\n", line.c_str());
    return;
  }
  const int room = std::max(0, 79 - int(line.size()) - 3);
  const int full = int(double(room) * double(r.step) / double(std::max<int64_t>(1, r.total)));
  std::fprintf(stderr, "\r%s [%s%s]%s", line.c_str(), std::string(size_t(full), '=').c_str(),
               std::string(size_t(room - full), ' ').c_str(), r.step == r.total ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace tptt
