#include <algorithm>
#include <cmath>
#include <limits>

#include "trainer/number_text.h"
#include "trainer/svg_plot.h"
#include "trainer/svg_text.h"

namespace tptt {
namespace {

constexpr int kShades = 12;

// Cells of one shade are one path: a map has thousands.
std::string draw_shades(const std::vector<std::string>& paths) {
  std::string out;
  for (int i = 0; i < kShades; ++i)
    if (!paths[size_t(i)].empty())
      out += format_text("<path class='f0' shape-rendering='crispEdges' fill-opacity='%.2f' d='",
                         0.06 + 0.94 * i / (kShades - 1)) +
             paths[size_t(i)] + "'/>\n";
  return out;
}

struct Scale {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  bool log = false;

  explicit Scale(const LayerMap& map) {
    for (const auto& layer : map.values)
      for (const auto& value : layer)
        if (value && std::isfinite(*value))
          low = std::min(low, *value), high = std::max(high, *value);
    log = low > 0 && high > 20 * low;
  }
  int shade(double value) const {
    if (!(high > low)) return kShades / 2;
    const double part =
        log ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
    return std::clamp(int(part * kShades), 0, kShades - 1);
  }
};

std::string draw_scale(const Scale& scale, double y) {
  std::vector<std::string> paths(kShades);
  const double width = 10, left = 130;
  for (int i = 0; i < kShades; ++i)
    paths[size_t(i)] = format_text("M%.0f %.0fh%.0fv9h-%.0fz", left + width * i, y, width, width);
  return draw_shades(paths) + svg_text(left - 6, y + 9, rounded(scale.low), "text-anchor='end'") +
         svg_text(left + width * kShades + 6, y + 9,
                  rounded(scale.high) + (scale.log ? " (log)" : ""), "");
}

}  // namespace

std::string svg_heat_map(const HeatMap& map) {
  constexpr double kCellHeight = 28, kLabels = 52, kHead = 46;
  const double cell_width =
      std::min(62.0, (kSvgWidth - kLabels - 8) / double(std::max<size_t>(map.columns.size(), 1)));
  const double bottom = kHead + kCellHeight * double(map.rows.size());
  std::string out = open_svg(kSvgWidth, bottom + 42, map.title,
                             map.title + ": " + map.y_label + " by " + map.x_label);
  for (size_t r = 0; r < map.rows.size(); ++r) {
    const double y = kHead + kCellHeight * double(r);
    out += svg_text(kLabels - 6, y + 18, map.rows[r], "text-anchor='end'");
    for (size_t c = 0; c < map.columns.size(); ++c) {
      const double x = kLabels + cell_width * double(c), v = map.values[r][c];
      out += format_text(
          "<rect class='f0' fill-opacity='%.2f' x='%.1f' y='%.0f' width='%.1f' height='%.0f'/>",
          0.05 + 0.95 * v, x, y, cell_width - 1, kCellHeight - 1);
      out +=
          svg_text(x + cell_width / 2, y + 18, format_text("%.0f%%", 100 * v),
                   v > 0.8 ? "text-anchor='middle' class='on'" : "text-anchor='middle' class='in'");
    }
  }
  for (size_t c = 0; c < map.columns.size(); ++c)
    out += svg_text(kLabels + cell_width * (double(c) + 0.5), bottom + 16, map.columns[c],
                    "text-anchor='middle'");
  out += svg_text(kLabels + cell_width * double(map.columns.size()) / 2, bottom + 34, map.x_label,
                  "text-anchor='middle'");
  return out + svg_text(4, kHead - 8, map.y_label, "") + "</svg>\n";
}

std::string svg_layer_map(const LayerMap& map) {
  constexpr double kLabels = 50, kHead = 26;
  const double cell_height =
      std::clamp(170.0 / double(std::max<size_t>(map.values.size(), 1)), 2.0, 16.0);
  const double cell_width =
      (kSvgWidth - kLabels - 14) / double(std::max<size_t>(map.columns.size(), 1));
  const double bottom = kHead + cell_height * double(map.values.size());
  const Scale scale(map);
  std::vector<std::string> paths(kShades);
  for (size_t r = 0; r < map.values.size(); ++r)
    for (size_t c = 0; c < map.values[r].size(); ++c)
      if (const auto& value = map.values[r][c]; value && std::isfinite(*value))
        paths[size_t(scale.shade(*value))] +=
            format_text("M%.2f %.2fh%.2fv%.2fh-%.2fz", kLabels + cell_width * double(c),
                        kHead + cell_height * double(r), cell_width, cell_height, cell_width);
  std::string out = open_svg(kSvgWidth, bottom + 44, map.title,
                             map.title + " of each layer by step, from " + rounded(scale.low) +
                                 " to " + rounded(scale.high)) +
                    draw_shades(paths);
  const auto label = [&](size_t r) {
    return svg_text(kLabels - 6, kHead + cell_height * (double(r) + 0.5) + 4,
                    (r == 0 ? "layer " : "") + std::to_string(r), "text-anchor='end'");
  };
  if (!map.values.empty()) out += label(0);
  if (map.values.size() > 1) out += label(map.values.size() - 1);
  if (!map.columns.empty())
    out += svg_text(kLabels, bottom + 16, "step " + map.columns.front(), "") +
           svg_text(kSvgWidth - 14, bottom + 16, map.columns.back(), "text-anchor='end'");
  return out + draw_scale(scale, bottom + 26) + "</svg>\n";
}

}  // namespace tptt
