#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tptt {

/// One line to stderr.
void log_info(std::string_view line);
void log_warning(std::string_view line);
void log_error(std::string_view line);
void log_debug(std::string_view line);

/// The process's warnings so far, oldest first, for a run's report.
struct LoggedWarnings {
  std::vector<std::string> lines;  // at most 100
  int64_t num_more = 0;
};
LoggedWarnings logged_warnings();

/// Text to stderr as it is: progress, tables.
void say(const std::string& text);

/// Shows debug lines too.
void set_log_verbose(bool verbose);

/// Shows errors only, as is fit for all but one of many processes.
void set_log_quiet();
bool is_log_quiet();

/// While a progress bar is on the terminal's last line, each log line first clears it.
void set_log_clears_line(bool clears);

}  // namespace tptt
