#include "trainer/progress.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "trainer/log.h"

namespace tptt {
namespace {

// One less than 80: a full last column wraps on some terminals.
constexpr size_t kColumns = 79;
constexpr size_t kMaxBar = 20;

std::string number(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

// Half a minute after a count began and after each of its lines.
bool is_line_due(const std::string& what, int64_t done) {
  using Clock = std::chrono::steady_clock;
  static std::string counted;
  static int64_t before = 0;
  static Clock::time_point last;
  if (what != counted || done <= before) last = Clock::now();
  counted = what, before = done;
  if (Clock::now() - last < std::chrono::seconds(30)) return false;
  last = Clock::now();
  return true;
}

}  // namespace

std::string clock_text(double seconds) {
  constexpr double kLongest = 99 * 3600.0;
  if (!(seconds < kLongest)) return ">99h";
  const auto whole = static_cast<long long>(std::llround(seconds));
  char text[32];
  if (whole >= 3600) {
    std::snprintf(text, sizeof(text), "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60,
                  whole % 60);
  } else {
    std::snprintf(text, sizeof(text), "%lld:%02lld", whole / 60, whole % 60);
  }
  return text;
}

std::string progress_text(int64_t total_steps, const MetricsRow& row, double eta_seconds) {
  std::string text = "step " + std::to_string(row.step) + "/" + std::to_string(total_steps);
  if (row.loss) text += number(" loss %.4g", *row.loss);
  if (row.transfer_error) text += number(" transfer_error %.4g", *row.transfer_error);
  if (row.eval_loss) text += number(" eval_loss %.4g", *row.eval_loss);
  if (row.learning_rate) text += number(" lr %.1e", *row.learning_rate);
  if (row.mag_weight) text += number(" mu %.3f", *row.mag_weight);
  if (row.tokens_per_second) text += number(" %.0f tok/s", *row.tokens_per_second);
  if (eta_seconds >= 0) text += " eta " + clock_text(eta_seconds);
  return text;
}

std::string progress_bar(int64_t total_steps, const MetricsRow& row, double eta_seconds) {
  const std::string text = progress_text(total_steps, row, eta_seconds).substr(0, kColumns);
  constexpr size_t kAround = 3;  // brackets and a blank
  constexpr size_t kMinBar = 4;
  if (text.size() + kAround + kMinBar > kColumns) return text;
  const size_t width = std::min(kMaxBar, kColumns - text.size() - kAround);
  const double done =
      static_cast<double>(row.step) / static_cast<double>(std::max<int64_t>(total_steps, 1));
  const auto filled = static_cast<size_t>(std::clamp(done, 0.0, 1.0) * static_cast<double>(width));
  return "[" + std::string(filled, '#') + std::string(width - filled, '.') + "] " + text;
}

Progress start_progress(int64_t total_steps) {
  const Progress progress{total_steps, !is_log_quiet() && ::isatty(STDERR_FILENO) == 1};
  if (progress.terminal) set_log_clears_line(true);
  return progress;
}

void show_progress(const Progress& progress, const MetricsRow& row, double eta_seconds) {
  const std::string line = progress.terminal
                               ? "\r\x1b[K" + progress_bar(progress.total_steps, row, eta_seconds)
                               : progress_text(progress.total_steps, row, eta_seconds) + "\n";
  say(line);
}

void show_count(const std::string& what, int64_t done, int64_t total, double eta_seconds) {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  if (is_log_quiet() || (!terminal && !is_line_due(what, done))) return;
  const std::string text = what + " " + std::to_string(done) + "/" + std::to_string(total) +
                           (eta_seconds >= 0 ? " eta " + clock_text(eta_seconds) : "");
  say(terminal ? "\r\x1b[K" + text + (done >= total ? "\r\x1b[K" : "") : text + "\n");
}

void end_progress(const Progress& progress) {
  if (!progress.terminal) return;
  std::fputs("\n", stderr);
  set_log_clears_line(false);
}

}  // namespace tptt
