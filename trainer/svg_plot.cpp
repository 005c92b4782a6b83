#include "trainer/svg_plot.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "trainer/number_text.h"
#include "trainer/svg_text.h"

namespace tptt {
namespace {

constexpr double kHeight = 240, kLeft = 50, kRight = 14, kBottom = 38;
constexpr size_t kColors = 6, kMostMarkers = 24;

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
    if (high - low <= std::abs(high) * 1e-9) {
      const double by = high == 0 ? 0.5 : std::abs(high) / 2;
      low -= by, high += by;
    }
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
    out += format_text("<path class='grid' d='M%.1f %.1fH%.1f'/>\n", x.from, y.place(at), x.to);
    out += svg_text(x.from - 6, y.place(at) + 4, rounded(at), "text-anchor='end'");
  }
  for (const double at : x.log ? log_ticks(x) : ticks(x.low, x.high))
    out += svg_text(x.place(at), y.from + 16, rounded(at), "text-anchor='middle'");
  out += format_text("<path class='grid' d='M%.1f %.1fV%.1fH%.1f' fill='none'/>\n", x.from, y.to,
                     y.from, x.to);
  return out + svg_text((x.from + x.to) / 2, kHeight - 6, plot.x_label, "text-anchor='middle'");
}

std::string marker(size_t color, double x, double y) {
  if (color % 2 == 0)
    return format_text("<circle class='f%zu' cx='%.1f' cy='%.1f' r='3.2'/>", color, x, y);
  return format_text("<rect class='f%zu' x='%.1f' y='%.1f' width='6' height='6'/>", color, x - 3,
                     y - 3);
}

std::string draw_line(const PlotLine& line, size_t color, const Axis& x, const Axis& y) {
  const bool named = !line.name.empty(), marked = named && line.points.size() <= kMostMarkers;
  std::string path, marks;
  bool begun = false;
  for (const auto& [px, py] : line.points) {
    if (!std::isfinite(py)) {
      begun = false;
      continue;
    }
    path += format_text("%c%.1f %.1f", begun ? 'L' : 'M', x.place(px), y.place(py));
    if (marked) marks += marker(color, x.place(px), y.place(py));
    begun = true;
  }
  return format_text("<path class='s%zu%s' d='", color, named ? "" : " faint") + path +
         (color % 2 == 1 && named ? "' stroke-dasharray='6 3'/>" : "'/>") + marks + "\n";
}

// Names in rows under the title; gives the height they end at.
std::string draw_legend(const LinePlot& plot, double& bottom) {
  std::string out;
  double left = 4;
  size_t color = 0;
  bottom = kSvgTitleHeight + 14;
  for (const PlotLine& line : plot.lines) {
    if (line.name.empty()) continue;
    const double width = 18 + svg_text_width(line.name);
    if (left > 4 && left + width > kSvgWidth) left = 4, bottom += 17;
    out +=
        marker(color % kColors, left + 5, bottom - 4) + svg_text(left + 13, bottom, line.name, "");
    left += width + 10;
    ++color;
  }
  if (color == 0) bottom = kSvgTitleHeight;
  return out;
}

}  // namespace

std::string svg_line_plot(const LinePlot& plot) {
  Axis x, y;
  x.log = plot.log_x;
  std::string summary = plot.title + " by " + plot.x_label;
  for (const PlotLine& line : plot.lines) {
    if (!line.name.empty()) summary += "; " + line.name;
    for (const auto& [px, py] : line.points)
      if (std::isfinite(py)) x.add(px), y.add(py);
  }
  if (plot.y_range) y.low = plot.y_range->first, y.high = plot.y_range->second;
  x.widen(), y.widen();
  double top = 0;
  const std::string legend = draw_legend(plot, top);
  x.from = kLeft, x.to = kSvgWidth - kRight, y.from = kHeight - kBottom, y.to = top + 12;
  std::string out =
      open_svg(kSvgWidth, kHeight, plot.title, summary) + legend + draw_axes(plot, x, y);
  size_t color = 0;
  for (const PlotLine& line : plot.lines) {
    out += draw_line(line, color % kColors, x, y);
    color += !line.name.empty();
  }
  return out + "</svg>\n";
}

}  // namespace tptt
