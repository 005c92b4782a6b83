#pragma once

#include <cstdint>
#include <string>
#include <utility>

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

/// `value` as a signed 64-bit number; Error naming `what` when it is above those.
inline int64_t checked_int64(uint64_t value, const std::string& what) {
  if (value > uint64_t(INT64_MAX)) throw Error(what + ": size overflows");
  return int64_t(value);
}

/// Throws Error naming `what` when `count` things of at least `size` bytes each are more than the
/// `left` bytes of a file can hold.
inline void check_count(uint64_t count, uint64_t size, uint64_t left, const std::string& what) {
  if (count > left / size)
    throw Error(what + " do not fit into the file: " + std::to_string(count) + " with " +
                std::to_string(left) + " bytes left");
}

/// What a reader may hold of a file: twice its bytes and 16 MiB, far more than any real header.
/// What costs more memory than it has bytes takes from it first.
class MemoryBudget {
 public:
  MemoryBudget(uint64_t file_bytes, std::string what)
      : left_(checked_add(checked_mul(file_bytes, 2, what), 16 << 20, what)),
        what_(std::move(what)) {}

  /// Throws Error when that is too much for `count` things of `size` bytes in memory.
  void take(uint64_t count, uint64_t size) {
    const uint64_t bytes = checked_mul(count, size, what_);
    if (bytes > left_) throw Error(what_ + ": holds too many small things for a file of its size");
    left_ -= bytes;
  }

 private:
  uint64_t left_;
  std::string what_;
};

}  // namespace tptt
