#pragma once

#include <cstdint>
#include <string>

#include "models/formats/error.h"

namespace tptt {

/// a + b and a * b of sizes from a file; Error naming `what` when the result wraps.
inline uint64_t checked_add(uint64_t a, uint64_t b, const std::string& what) {
  uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) throw Error(what + ": size overflows");
  return sum;
}

inline uint64_t checked_mul(uint64_t a, uint64_t b, const std::string& what) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) throw Error(what + ": size overflows");
  return product;
}

}  // namespace tptt
