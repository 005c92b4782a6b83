#include "trainer/number_text.h"

#include <cmath>
#include <cstdio>

namespace tptt {

std::string rounded(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string grouped(int64_t value) {
  std::string text = std::to_string(value);
  const int64_t first = value < 0 ? 1 : 0;
  for (int64_t at = int64_t(text.size()) - 3; at > first; at -= 3) text.insert(size_t(at), ",");
  return text;
}

std::string duration_text(double seconds) {
  char text[64];
  constexpr double kLongest = 1e12;  // what llround takes
  if (!(seconds < kLongest)) return "very long";
  const long long whole = std::llround(seconds);
  if (seconds < 10) {
    std::snprintf(text, sizeof text, "%.1f s", seconds);
  } else if (whole < 60) {
    std::snprintf(text, sizeof text, "%lld s", whole);
  } else if (whole < 3600) {
    std::snprintf(text, sizeof text, "%lld min %lld s", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld h %lld min", whole / 3600, whole / 60 % 60);
  }
  return text;
}

}  // namespace tptt
