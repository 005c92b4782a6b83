#include "data/tasks/python_random.h"

#include <bit>
#include <cmath>
#include <numeric>
#include <set>

namespace tptt {

// init_by_array of the reference MT19937 with the one key `seed`.
PythonRandom::PythonRandom(uint32_t seed) {
  state_[0] = 19650218U;
  for (uint32_t i = 1; i < kSize; ++i)
    state_[i] = 1812433253U * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  uint32_t i = 1;
  const auto mixed = [&](uint32_t factor) {
    return state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * factor);
  };
  const auto advance = [&] {
    if (++i >= kSize) state_[0] = state_[kSize - 1], i = 1;
  };
  for (int k = 0; k < kSize; ++k, advance()) state_[i] = mixed(1664525U) + seed;
  for (int k = 0; k < kSize - 1; ++k, advance()) state_[i] = mixed(1566083941U) - i;
  state_[0] = 0x80000000U;
}

uint32_t PythonRandom::next() {
  if (at_ == kSize) {
    for (int i = 0; i < kSize; ++i) {
      const uint32_t y = (state_[i] & 0x80000000U) | (state_[(i + 1) % kSize] & 0x7fffffffU);
      state_[i] = state_[(i + 397) % kSize] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfU : 0);
    }
    at_ = 0;
  }
  uint32_t y = state_[at_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680U;
  y ^= (y << 15) & 0xefc60000U;
  return y ^ (y >> 18);
}

int64_t PythonRandom::below(int64_t n) {
  const int bits = std::bit_width(uint64_t(n));
  int64_t r = 0;
  do r = int64_t(next() >> (32 - bits));
  while (r >= n);
  return r;
}

std::vector<int64_t> PythonRandom::sample(int64_t population, int64_t count) {
  int64_t pool_limit = 21;  // above it a set of what is drawn takes less than a list of all
  if (count > 5)
    pool_limit += int64_t(std::pow(4, std::ceil(std::log(double(count * 3)) / std::log(4.0))));
  std::vector<int64_t> drawn;
  if (population <= pool_limit) {
    std::vector<int64_t> pool(static_cast<size_t>(population));
    std::iota(pool.begin(), pool.end(), 0);
    for (int64_t i = 0; i < count; ++i) {
      const auto j = size_t(below(population - i));
      drawn.push_back(pool[j]);
      pool[j] = pool[size_t(population - i - 1)];
    }
    return drawn;
  }
  std::set<int64_t> seen;
  while (int64_t(drawn.size()) < count) {
    const int64_t j = below(population);
    if (seen.insert(j).second) drawn.push_back(j);
  }
  return drawn;
}

std::vector<int64_t> PythonRandom::shuffled(int64_t count) {
  std::vector<int64_t> items(static_cast<size_t>(count));
  std::iota(items.begin(), items.end(), 0);
  for (int64_t i = count - 1; i > 0; --i) std::swap(items[size_t(i)], items[size_t(below(i + 1))]);
  return items;
}

}  // namespace tptt
