#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace tptt {

/// The numbers of Python's random.Random(seed) (CPython's Lib/random.py on MT19937), so that shots
/// are those that the Python harnesses draw.
class PythonRandom {
 public:
  explicit PythonRandom(uint32_t seed);

  /// random.sample(range(population), count); count at most population.
  std::vector<int64_t> sample(int64_t population, int64_t count);
  /// random.shuffle(list(range(count))).
  std::vector<int64_t> shuffled(int64_t count);
  /// random.randrange(n), n above 0.
  int64_t below(int64_t n);

 private:
  uint32_t next();

  static constexpr int kSize = 624;
  std::array<uint32_t, kSize> state_{};
  int at_ = kSize;
};

}  // namespace tptt
