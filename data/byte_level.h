#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tptt {

/// GPT-2's byte-level alphabet: the visible character (as UTF-8) that stands for a byte.
const std::string& byte_to_token(uint8_t byte);

/// The bytes a token stands for; a token with a character outside the alphabet stands for itself.
std::string token_to_bytes(std::string_view token);

}  // namespace tptt
