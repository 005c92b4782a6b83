#include "trainer/svg_plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

namespace tptt {
namespace {

constexpr double kWidth = 560, kHeight = 320, kLeft = 64, kRight = 110, kTop = 36, kBottom = 48;
// Told apart by the colour-blind too (Okabe and Ito), with marks of their own.
constexpr std::array kColors = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};

template <class... Values>
std::string format(const char* pattern, Values... values) {
  char buffer[512];
  std::snprintf(buffer, sizeof buffer, pattern, values...);
  return buffer;
}

std::string number(double value) {
  return format("%.4g", value);
}

std::string text_at(double x, double y, const std::string& text, const char* more = "") {
  return format("<text x='%.1f' y='%.1f' %s>", x, y, more) + escape_html(text) + "</text>\n";
}

std::string open_svg(double width, double height, const std::string& title) {
  return format(
             "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %.0f %.0f' width='%.0f' "
             "role='img' font-family='sans-serif' font-size='12'>\n<title>",
             width, height, width) +
         escape_html(title) + "</title>\n" +
         text_at(width / 2, 18, title, "text-anchor='middle' font-size='14'");
}

// Round steps of 1, 2 or 5 that give about five ticks.
std::vector<double> ticks(double low, double high) {
  const double rough = std::max((high - low) / 5, 1e-12);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double scaled = rough / power;
  const double step = power * (scaled < 1.5 ? 1 : scaled < 3.5 ? 2 : scaled < 7.5 ? 5 : 10);
  std::vector<double> out;
  for (double at = std::ceil(low / step) * step; at <= high + step * 1e-6; at += step)
    out.push_back(std::abs(at) < step * 1e-6 ? 0 : at);
  return out;
}

struct Axis {
  double low = std::numeric_limits<double>::infinity(), high = -low, from = 0, to = 0;
  bool log = false;
  double value(double x) const { return log ? std::log2(x) : x; }
  void add(double x) { low = std::min(low, value(x)), high = std::max(high, value(x)); }
  void widen() {  // a range to divide by
    if (!(high >= low)) low = 0, high = 1;
    if (high == low) low -= 0.5, high += 0.5;
  }
  double place(double x) const { return from + (value(x) - low) / (high - low) * (to - from); }
};

std::vector<double> log_ticks(const Axis& axis) {
  std::vector<double> out;
  for (double e = std::ceil(axis.low); e <= axis.high + 1e-9; ++e) out.push_back(std::exp2(e));
  return out;
}

std::string draw_axes(const LinePlot& plot, const Axis& x, const Axis& y) {
  std::string out;
  for (const double at : ticks(y.low, y.high)) {
    out += format("<line x1='%.1f' x2='%.1f' y1='%.1f' y2='%.1f' stroke='#ddd'/>\n", x.from, x.to,
                  y.place(at), y.place(at));
    out += text_at(x.from - 6, y.place(at) + 4, number(at), "text-anchor='end'");
  }
  for (const double at : x.log ? log_ticks(x) : ticks(x.low, x.high))
    out += text_at(x.place(at), y.from + 18, number(at), "text-anchor='middle'");
  out += format("<path d='M%.1f %.1fV%.1fH%.1f' fill='none' stroke='#333'/>\n", x.from, y.to,
                y.from, x.to);
  out += text_at((x.from + x.to) / 2, kHeight - 8, plot.x_label, "text-anchor='middle'");
  return out + format("<g transform='translate(16,%.1f) rotate(-90)'>", (y.from + y.to) / 2) +
         text_at(0, 0, plot.y_label, "text-anchor='middle'") + "</g>\n";
}

std::string marker(size_t i, double x, double y) {
  const char* color = kColors[i % kColors.size()];
  if (i % 2 == 0) return format("<circle cx='%.1f' cy='%.1f' r='3.5' fill='%s'/>", x, y, color);
  return format("<rect x='%.1f' y='%.1f' width='6' height='6' fill='%s'/>", x - 3, y - 3, color);
}

std::string draw_line(const PlotLine& line, size_t i, const Axis& x, const Axis& y) {
  std::string path, marks;
  for (const auto& [px, py] : line.points) {
    path += format("%c%.1f %.1f", path.empty() ? 'M' : 'L', x.place(px), y.place(py));
    marks += marker(i, x.place(px), y.place(py));
  }
  const char* color = kColors[i % kColors.size()];
  const double at = kTop + 14 + 20 * double(i);
  return format("<path d='%s' fill='none' stroke='%s' stroke-width='2' stroke-dasharray='%s'/>",
                path.c_str(), color, i % 2 == 0 ? "none" : "6 3") +
         marks + marker(i, x.to + 16, at - 4) + text_at(x.to + 26, at, line.name);
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string svg_line_plot(const LinePlot& plot) {
  Axis x, y;
  x.log = plot.log_x;
  for (const PlotLine& line : plot.lines)
    for (const auto& [px, py] : line.points) x.add(px), y.add(py);
  if (plot.y_range) y.low = plot.y_range->first, y.high = plot.y_range->second;
  x.widen(), y.widen();
  x.from = kLeft, x.to = kWidth - kRight, y.from = kHeight - kBottom, y.to = kTop;
  std::string out = open_svg(kWidth, kHeight, plot.title) + draw_axes(plot, x, y);
  for (size_t i = 0; i < plot.lines.size(); ++i) out += draw_line(plot.lines[i], i, x, y);
  return out + "</svg>\n";
}

std::string svg_heat_map(const HeatMap& map) {
  constexpr double kCellWidth = 62, kCellHeight = 30, kLabels = 84, kHead = 30;
  const double width = kLabels + kCellWidth * double(map.columns.size()) + 10;
  const double height = kHead + kCellHeight * double(map.rows.size()) + 44;
  std::string out = open_svg(width, height, map.title);
  for (size_t r = 0; r < map.rows.size(); ++r) {
    const double y = kHead + kCellHeight * double(r);
    out += text_at(kLabels - 6, y + 19, map.rows[r], "text-anchor='end'");
    for (size_t c = 0; c < map.columns.size(); ++c) {
      const double x = kLabels + kCellWidth * double(c), v = map.values[r][c];
      const int fade = int(std::lround(255 * (1 - 0.85 * v)));  // white to blue
      out += format(
          "<rect x='%.0f' y='%.0f' width='%.0f' height='%.0f' fill='rgb(%d,%d,255)' "
          "stroke='white'/>",
          x, y, kCellWidth, kCellHeight, fade, fade);
      out += text_at(x + kCellWidth / 2, y + 19, format("%.0f%%", 100 * v),
                     v > 0.6 ? "text-anchor='middle' fill='white'" : "text-anchor='middle'");
    }
  }
  const double bottom = kHead + kCellHeight * double(map.rows.size());
  for (size_t c = 0; c < map.columns.size(); ++c)
    out += text_at(kLabels + kCellWidth * (double(c) + 0.5), bottom + 17, map.columns[c],
                   "text-anchor='middle'");
  out += text_at(kLabels + kCellWidth * double(map.columns.size()) / 2, bottom + 36, map.x_label,
                 "text-anchor='middle'");
  return out + text_at(6, kHead - 8, map.y_label) + "</svg>\n";
}

}  // namespace tptt
