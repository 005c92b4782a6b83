#include "data/utf8.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "models/formats/error.h"

namespace tptt {
namespace {

// Reads one character: its length when whole, else minus the length of the maximal subpart that
// could begin one (Unicode, table 3-7).
int scan(std::string_view s) {
  const auto byte = [&](size_t i) { return i < s.size() ? uint8_t(s[i]) : 0; };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const int length = lead >= 0xC2 && lead <= 0xDF   ? 2
                     : lead >= 0xE0 && lead <= 0xEF ? 3
                     : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                    : 0;
  if (length == 0) return -1;
  uint8_t low = 0x80, high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  for (int i = 1; i < length; ++i) {
    if (byte(i) < low || byte(i) > high) return -i;
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

// Bytes of the white space (Python's str.isspace) that starts at `at`, or 0.
size_t space_at(const std::string& text, size_t at) {
  static const char* const kSpaces[] = {"\t",     "\n",     "\v",     "\f",     "\r",     "\x1c",
                                        "\x1d",   "\x1e",   "\x1f",   " ",      "\u0085", "\u00a0",
                                        "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004",
                                        "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200a",
                                        "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};
  const uint8_t first = uint8_t(text[at]);
  if (first > ' ' && first < 0xC2) return 0;
  for (const char* space : kSpaces) {
    const size_t size = std::char_traits<char>::length(space);
    if (text.compare(at, size, space) == 0) return size;
  }
  return 0;
}

// The character that starts at `at`, and in `size` its bytes; of no UTF-8 one byte as it is.
utf8proc_int32_t character_at(std::string_view text, size_t at, size_t& size) {
  utf8proc_int32_t code = 0;
  const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                                       utf8proc_ssize_t(text.size() - at), &code);
  size = size_t(std::max<utf8proc_ssize_t>(length, 1));
  return length > 0 ? code : -1;
}

// Each character by `first` or `rest`.
std::string mapped(std::string_view text, utf8proc_int32_t (*first)(utf8proc_int32_t),
                   utf8proc_int32_t (*rest)(utf8proc_int32_t)) {
  std::string out;
  for (size_t at = 0, size = 0; at < text.size(); at += size) {
    const utf8proc_int32_t code = character_at(text, at, size);
    utf8proc_uint8_t bytes[4];
    const auto length = code < 0 ? 0 : utf8proc_encode_char((at == 0 ? first : rest)(code), bytes);
    out += length > 0 ? std::string_view(reinterpret_cast<char*>(bytes), size_t(length))
                      : text.substr(at, size);
  }
  return out;
}

constexpr int kMostMarks = 1024;

// Putting marks in order takes the square of their number.
void check_marks(std::string_view text) {
  int marks = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const uint8_t byte = uint8_t(text[at]);
    if (byte >= 0x80 && byte < 0xC0) continue;
    marks = byte >= 0xC0 && is_mark(text, at) ? marks + 1 : 0;
    if (marks > kMostMarks)
      throw Error("tokenizer: the text has more than " + std::to_string(kMostMarks) +
                  " combining marks in a row");
  }
}

}  // namespace

size_t valid_utf8_prefix(std::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    const int length = scan(bytes.substr(at));
    if (length < 0) break;
    at += size_t(length);
  }
  return at;
}

bool is_mark(std::string_view text, size_t at) {
  utf8proc_int32_t code = 0;
  utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                   utf8proc_ssize_t(text.size() - at), &code);
  return code >= 0 && utf8proc_get_property(code)->combining_class != 0;
}

bool is_incomplete_utf8(std::string_view bytes) {
  const int length = bytes.empty() ? 1 : scan(bytes);
  return length < 0 && size_t(-length) == bytes.size() && uint8_t(bytes[0]) >= 0xC2 &&
         uint8_t(bytes[0]) <= 0xF4;
}

std::string utf8_lossy(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const int length = scan(bytes);
    if (length > 0) {
      out += bytes.substr(0, size_t(length));
    } else {
      out += "\xEF\xBF\xBD";
    }
    bytes.remove_prefix(size_t(std::abs(length)));
  }
  return out;
}

std::string strip_right(const std::string& text) {
  size_t end = 0;  // behind the last character that stays
  for (size_t at = 0; at < text.size();) {
    const size_t space = space_at(text, at);
    at += space ? space : 1;
    if (!space) end = at;
  }
  return text.substr(0, end);
}

std::string strip(const std::string& text) {
  size_t begin = 0;
  while (const size_t space = begin < text.size() ? space_at(text, begin) : 0) begin += space;
  return strip_right(text.substr(begin));
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const size_t space = space_at(text, at);
    if (!space && !inside) words.emplace_back();
    if (!space) words.back() += text[at];
    inside = !space;
    at += space ? space : 1;
  }
  return words;
}

int64_t count_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (uint8_t(c) & 0xC0) != 0x80; });
}

bool is_word(std::string_view text, size_t at) {
  size_t size = 0;
  const utf8proc_int32_t code = character_at(text, at, size);
  if (code < 0) return false;
  const auto category = utf8proc_category(code);
  return code == '_' || (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
         (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

std::string lower(std::string_view text) {
  return mapped(text, utf8proc_tolower, utf8proc_tolower);
}

std::string capitalized(std::string_view text) {
  return mapped(text, utf8proc_totitle, utf8proc_tolower);
}

std::string nfc(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return uint8_t(c) < 0x80; }))
    return std::string(text);
  check_marks(text);
  utf8proc_uint8_t* out = nullptr;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                   utf8proc_ssize_t(text.size()), &out,
                                   utf8proc_option_t(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (length < 0) throw Error("tokenizer: the text is no valid UTF-8");
  std::string normal(reinterpret_cast<char*>(out), size_t(length));
  std::free(out);
  return normal;
}

}  // namespace tptt
