#pragma once

#include <string_view>

namespace tptt {

/// One line to stderr.
void log_info(std::string_view line);
void log_warning(std::string_view line);
void log_error(std::string_view line);
void log_debug(std::string_view line);

/// Shows debug lines too.
void set_log_verbose(bool verbose);

/// While a progress bar is on the terminal's last line, each log line first clears it.
void set_log_clears_line(bool clears);

}  // namespace tptt
