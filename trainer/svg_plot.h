#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tptt {

/// Text that stands for itself in HTML and SVG.
std::string escape_html(const std::string& text);

struct PlotLine {
  std::string name;
  std::vector<std::pair<double, double>> points;
};

struct LinePlot {
  std::string title, x_label, y_label;
  bool log_x = false;                                // base 2; x above 0
  std::optional<std::pair<double, double>> y_range;  // none: from the points
  std::vector<PlotLine> lines;
};

/// An <svg> of lines with markers, axes, ticks and a legend.
std::string svg_line_plot(const LinePlot& plot);

struct HeatMap {
  std::string title, x_label, y_label;
  std::vector<std::string> columns, rows;
  std::vector<std::vector<double>> values;  // [rows][columns], from 0 to 1
};

/// An <svg> of coloured cells with their values in percent.
std::string svg_heat_map(const HeatMap& map);

}  // namespace tptt
