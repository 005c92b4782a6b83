#include "trainer/watchdog.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "trainer/log.h"

namespace tptt {
namespace {

std::string seconds_text(std::chrono::milliseconds time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g s", double(time.count()) / 1000);
  return text;
}

}  // namespace

Watchdog::Watchdog(Limits limits) : limits_(limits), thread_([this] { watch(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::begin(std::string what) {
  {
    const std::lock_guard lock(mutex_);
    what_ = std::move(what);
    begun_ = Clock::now();
  }
  changed_.notify_one();
}

void Watchdog::done() {
  {
    const std::lock_guard lock(mutex_);
    what_.clear();
    longest_ = std::max(
        longest_, std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun_));
  }
  changed_.notify_one();
}

std::chrono::milliseconds Watchdog::patience() const {
  if (longest_.count() < 0) return limits_.first;
  return std::max(limits_.least,
                  std::chrono::milliseconds(int64_t(limits_.times * double(longest_.count()))));
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  while (!ends_) {
    if (what_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const Clock::time_point begun = begun_;
    const auto same = [&] { return !ends_ && !what_.empty() && begun_ == begun; };
    if (changed_.wait_until(lock, begun + patience(), [&] { return !same(); })) continue;
    std::string line = what_ + " has taken " + seconds_text(patience());
    if (longest_.count() >= 0) line += ", the longest before it " + seconds_text(longest_);
    lock.unlock();
    log_warning(line + ": does the device or the disk hang, or the machine swap?");
    lock.lock();
    changed_.wait(lock, [&] { return !same(); });
  }
}

}  // namespace tptt
