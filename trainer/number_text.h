#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace tptt {

/// What printf writes, up to 511 bytes.
template <class... Values>
std::string format_text(const char* pattern, Values... values) {
  char text[512];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

/// Four significant digits: "0.008123", "4.181".
std::string rounded(double value);

/// "1,234,567".
std::string grouped(int64_t value);

/// "0.4 s", "42 s", "3 min 48 s", "2 h 5 min".
std::string duration_text(double seconds);

}  // namespace tptt
