#pragma once

#include <string>

namespace tptt {

inline constexpr const char* kArrow = " \u2192 ";

/// Text that stands for itself in HTML and SVG; control characters become U+FFFD.
std::string escape_html(const std::string& text);

/// Text of at most `max_bytes` as it is, of longer UTF-8 text the whole characters in them and a
/// mark that says how much was left out.
std::string cut_text(const std::string& text, size_t max_bytes);

/// A page of its own: no scripts, nothing loaded (its content policy forbids both), light and
/// dark, narrow, wide and printed. `body` is HTML.
std::string html_page(const std::string& title, const std::string& body);

}  // namespace tptt
