#include "data/byte_level.h"

#include <array>
#include <unordered_map>

namespace tptt {
namespace {

bool stands_for_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

std::string two_byte_utf8(int code) {  // code < 0x800
  if (code < 0x80) return std::string(1, char(code));
  return {char(0xC0 | code >> 6), char(0x80 | (code & 0x3F))};
}

std::array<std::string, 256> make_alphabet() {
  std::array<std::string, 256> alphabet;
  int extra = 256;
  for (int byte = 0; byte < 256; ++byte)
    alphabet[byte] = two_byte_utf8(stands_for_itself(byte) ? byte : extra++);
  return alphabet;
}

const std::array<std::string, 256>& alphabet() {
  static const std::array<std::string, 256> table = make_alphabet();
  return table;
}

}  // namespace

const std::string& byte_to_token(uint8_t byte) {
  return alphabet()[byte];
}

std::string token_to_bytes(std::string_view token) {
  static const auto bytes = [] {
    std::unordered_map<std::string, char> map;
    for (int byte = 0; byte < 256; ++byte) map.emplace(alphabet()[byte], char(byte));
    return map;
  }();
  std::string out;
  for (size_t i = 0; i < token.size();) {
    const size_t length = (token[i] & 0x80) == 0 ? 1 : 2;
    const auto it = bytes.find(std::string(token.substr(i, length)));
    if (it == bytes.end()) return std::string(token);
    out += it->second;
    i += length;
  }
  return out;
}

}  // namespace tptt
