#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tptt {

struct PlotLine {
  std::string name;  // in the legend; empty: not there, in the colour of the next line
  std::vector<std::pair<double, double>> points;
};

struct LinePlot {
  std::string title, x_label;
  bool log_x = false;                                // base 2; x above 0
  std::optional<std::pair<double, double>> y_range;  // none: from the points
  std::vector<PlotLine> lines;
};

/// An <svg> of lines with axes, ticks and a legend, for an html_page. Points that are not finite
/// are left out.
std::string svg_line_plot(const LinePlot& plot);

struct HeatMap {
  std::string title, x_label, y_label;
  std::vector<std::string> columns, rows;
  std::vector<std::vector<double>> values;  // [rows][columns], from 0 to 1
};

/// An <svg> of coloured cells with their values in percent.
std::string svg_heat_map(const HeatMap& map);

struct LayerMap {
  std::string title;
  std::vector<std::string> columns;                        // first and last name the x axis
  std::vector<std::vector<std::optional<double>>> values;  // [layers][columns]
};

/// An <svg> of many small cells without text, a row a layer, coloured from the least value to the
/// largest; on a logarithmic scale where these are far apart.
std::string svg_layer_map(const LayerMap& map);

}  // namespace tptt
