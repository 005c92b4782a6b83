#include "trainer/number_text.h"

#include <cmath>

namespace tptt {

std::string rounded(double value) {
  return format_text("%.4g", value);
}

std::string grouped(int64_t value) {
  std::string text = std::to_string(value);
  const int64_t first = value < 0 ? 1 : 0;
  for (int64_t at = int64_t(text.size()) - 3; at > first; at -= 3) text.insert(size_t(at), ",");
  return text;
}

std::string duration_text(double seconds) {
  constexpr double kLongest = 1e12;  // what llround takes
  if (!(seconds < kLongest)) return "very long";
  if (seconds < 10) return format_text("%.1f s", seconds);
  const long long whole = std::llround(seconds);
  if (whole < 60) return format_text("%lld s", whole);
  if (whole < 3600) return format_text("%lld min %lld s", whole / 60, whole % 60);
  return format_text("%lld h %lld min", whole / 3600, whole / 60 % 60);
}

}  // namespace tptt
