#pragma once

#include <string>
#include <string_view>

namespace tptt {

/// Length of the longest prefix that is valid UTF-8.
size_t valid_utf8_prefix(std::string_view bytes);

/// Whether `bytes` (not valid from its first byte) may become a character when more bytes follow.
bool is_incomplete_utf8(std::string_view bytes);

/// Invalid sequences become U+FFFD, one for each maximal subpart (as Rust's from_utf8_lossy).
std::string utf8_lossy(std::string_view bytes);

/// Without outer white space, Unicode's included, as Python's str.strip() and str.rstrip().
std::string strip(const std::string& text);
std::string strip_right(const std::string& text);

/// Whether the character at `at` is a combining mark.
bool is_mark(std::string_view text, size_t at);

/// NFC of valid UTF-8. Throws Error for other bytes, and for a run of marks beyond any language's.
std::string nfc(std::string_view text);

}  // namespace tptt
