#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

/// The words between white space, as Python's str.split().
std::vector<std::string> split(const std::string& text);

/// Characters of valid UTF-8.
int64_t count_characters(std::string_view text);

/// Whether the character at `at` is of a word: a letter, number or underscore.
bool is_word(std::string_view text, size_t at);

/// Character by character, as Python's str.lower() and str.capitalize() but for those that become
/// several.
std::string lower(std::string_view text);
std::string capitalized(std::string_view text);

/// Whether the character at `at` is a combining mark.
bool is_mark(std::string_view text, size_t at);

/// NFC of valid UTF-8. Throws Error for other bytes, and for a run of marks beyond any language's.
std::string nfc(std::string_view text);

}  // namespace tptt
