#include "trainer/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <memory>
#include <mutex>

namespace tptt {
namespace {

constexpr const char* kPattern = "%^%l%$: %v";

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>(
        "tptt", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern(kPattern);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

std::mutex warnings_mutex;
LoggedWarnings warnings;

spdlog::string_view_t view(std::string_view line) {
  return {line.data(), line.size()};
}

}  // namespace

void log_info(std::string_view line) {
  logger().info(view(line));
}
void log_warning(std::string_view line) {
  logger().warn(view(line));
  constexpr size_t kMost = 100;
  const std::lock_guard lock(warnings_mutex);
  if (warnings.lines.size() < kMost) {
    warnings.lines.emplace_back(line);
  } else {
    ++warnings.num_more;
  }
}
void log_error(std::string_view line) {
  logger().error(view(line));
}
void log_debug(std::string_view line) {
  logger().debug(view(line));
}

LoggedWarnings logged_warnings() {
  const std::lock_guard lock(warnings_mutex);
  return warnings;
}

void say(const std::string& text) {
  if (!is_log_quiet()) std::fputs(text.c_str(), stderr);
}

void set_log_quiet() {
  logger().set_level(spdlog::level::err);
}
bool is_log_quiet() {
  return logger().level() >= spdlog::level::err;
}

void set_log_verbose(bool verbose) {
  logger().set_level(verbose ? spdlog::level::debug : spdlog::level::info);
}

void set_log_clears_line(bool clears) {
  logger().set_pattern(clears ? std::string("\r\x1b[K") + kPattern : kPattern);
}

}  // namespace tptt
