#include "trainer/svg_plot.h"

#include <catch2/catch.hpp>

using namespace tptt;
using Catch::Matchers::Contains;

TEST_CASE("a line plot has its lines, names and ticks") {
  LinePlot plot{"Loss <by> position", "position", "loss", true, {}, {}};
  plot.lines.push_back({"softmax", {{64, 4.5}, {128, 3.5}}});
  plot.lines.push_back({"a & b", {{64, 4.0}, {128, 3.0}}});
  const std::string svg = svg_line_plot(plot);
  CHECK_THAT(svg, Contains("Loss &lt;by&gt; position") && Contains("a &amp; b"));
  CHECK_THAT(svg, Contains(">64</text>") && Contains(">128</text>") && Contains(">3.6</text>"));
  CHECK_THAT(svg, Contains("<circle") && Contains("<rect"));
}

TEST_CASE("plots of one point or none are drawn too") {
  LinePlot plot{"t", "x", "y", false, {}, {}};
  CHECK_THAT(svg_line_plot(plot), Contains("</svg>") && !Contains("nan"));
  plot.lines.push_back({"one", {{1, 0}}});
  CHECK_THAT(svg_line_plot(plot), Contains("</svg>") && !Contains("nan"));
}

TEST_CASE("a heat map has a cell for each value") {
  const std::string svg = svg_heat_map({"t", "tokens", "depth", {"1", "2"}, {"a"}, {{0, 0.995}}});
  CHECK_THAT(svg, Contains(">0%</text>") && Contains(">100%</text>"));
}
