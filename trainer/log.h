#pragma once

#include <string_view>

namespace tptt {

/// Lines on stderr with time and level. Hidden behind plain functions: spdlog's fmt and LibTorch's
/// cannot be seen by one file.
void log_info(std::string_view text);
void log_warning(std::string_view text);

}  // namespace tptt
