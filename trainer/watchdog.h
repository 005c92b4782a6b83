#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace tptt {

/// Warns, once each, of work that takes far longer than any of its kind did: a device that hangs, a
/// disk that does not answer, a machine that swaps. It ends nothing.
class Watchdog {
 public:
  struct Limits {
    std::chrono::milliseconds least{std::chrono::minutes(1)};   // never sooner
    std::chrono::milliseconds first{std::chrono::minutes(20)};  // while nothing is known
    double times = 10;                                          // the longest so far
  };

  Watchdog() : Watchdog(Limits{}) {}
  explicit Watchdog(Limits limits);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// Work that is called so begins. The time until done() counts for those after it.
  void begin(std::string what);
  void done();

 private:
  using Clock = std::chrono::steady_clock;

  void watch();
  std::chrono::milliseconds patience() const;

  const Limits limits_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string what_;  // empty: nothing goes on
  Clock::time_point begun_;
  std::chrono::milliseconds longest_{-1};  // none yet
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace tptt
