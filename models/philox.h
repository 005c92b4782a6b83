#pragma once

#include <array>
#include <cstdint>

namespace tptt {

/// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"): four random words
/// for a key and a counter.
inline std::array<uint32_t, 4> philox4x32(uint64_t key, uint64_t counter_high,
                                          uint64_t counter_low) {
  std::array<uint32_t, 4> c{uint32_t(counter_low), uint32_t(counter_low >> 32),
                            uint32_t(counter_high), uint32_t(counter_high >> 32)};
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t(0xD2511F53) * c[0], p1 = uint64_t(0xCD9E8D57) * c[2];
    c = {uint32_t(p1 >> 32) ^ c[1] ^ k0, uint32_t(p1), uint32_t(p0 >> 32) ^ c[3] ^ k1,
         uint32_t(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

}  // namespace tptt
