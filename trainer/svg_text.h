#pragma once

#include <string>

#include "trainer/html.h"
#include "trainer/number_text.h"

namespace tptt {

// Parts that the plots share. About the width of a phone, where letters then have their size.
constexpr double kSvgWidth = 380, kSvgTitleHeight = 18;

inline std::string svg_text(double x, double y, const std::string& text, const char* more) {
  return format_text("<text x='%.1f' y='%.1f' %s>", x, y, more) + escape_html(text) + "</text>\n";
}

/// Roughly, in user units at font size 12.
inline double svg_text_width(const std::string& text) {
  return 6.4 * double(text.size());
}

/// `summary` is what a screen reader says.
inline std::string open_svg(double width, double height, const std::string& title,
                            const std::string& summary) {
  return format_text(
             "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %.0f %.0f' role='img' "
             "font-size='12' aria-label='",
             width, height) +
         escape_html(summary) + "'>\n" + svg_text(4, 14, title, "class='title' font-size='13'");
}

}  // namespace tptt
