#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace tptt {

using Digest = std::array<uint8_t, 32>;

/// SHA-256 (FIPS 180-4) of bytes that come piece by piece.
class Sha256 {
 public:
  void update(std::string_view bytes);
  /// The bytes and before them their number, so that no two lists of texts are one stream.
  void update_sized(std::string_view bytes);
  Digest finish();

 private:
  void block(const uint8_t* bytes);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> rest_{};  // bytes that are no whole block yet
  uint64_t size_ = 0;
};

/// 64 lower-case hexadecimal digits.
std::string to_hex(const Digest& digest);

}  // namespace tptt
