#include "trainer/svg_plot.h"

#include <catch2/catch.hpp>
#include <cmath>

using namespace tptt;
using Catch::Matchers::Contains;

TEST_CASE("a line plot has its lines, names and ticks") {
  LinePlot plot{"Loss <by> position", "position", true, {}, {}};
  plot.lines.push_back({"softmax", {{64, 4.5}, {128, 3.5}}});
  plot.lines.push_back({"a & b", {{64, 4.0}, {128, 3.0}}});
  const std::string svg = svg_line_plot(plot);
  CHECK_THAT(svg, Contains("Loss &lt;by&gt; position") && Contains("a &amp; b"));
  CHECK_THAT(svg, Contains(">64</text>") && Contains(">128</text>") && Contains(">3.6</text>"));
  CHECK_THAT(svg, Contains("<circle") && Contains("<rect"));
}

TEST_CASE("plots of one point or none are drawn too") {
  LinePlot plot{"t", "x", false, {}, {}};
  CHECK_THAT(svg_line_plot(plot), Contains("</svg>") && !Contains("nan"));
  plot.lines.push_back({"one", {{1, 0}}});
  CHECK_THAT(svg_line_plot(plot), Contains("</svg>") && !Contains("nan"));
}

TEST_CASE("a heat map has a cell for each value") {
  const std::string svg = svg_heat_map({"t", "tokens", "depth", {"1", "2"}, {"a"}, {{0, 0.995}}});
  CHECK_THAT(svg, Contains(">0%</text>") && Contains(">100%</text>"));
}

TEST_CASE("a line is broken where it is not finite, and an unnamed one is faint") {
  LinePlot plot{"t", "x", false, {}, {}};
  plot.lines.push_back({"", {{1, 1}, {2, NAN}, {3, 3}}});
  plot.lines.push_back({"smooth", {{1, 1}, {3, 3}}});
  const std::string svg = svg_line_plot(plot);
  CHECK_THAT(svg, Contains("class='s0 faint' d='M50.0") && Contains("class='s0' d='M50.0"));
  CHECK_THAT(svg, Contains("M366.0") && !Contains("nan"));
}

TEST_CASE("a map of layers shows its range and leaves out what is not there") {
  const std::string svg =
      svg_layer_map({"mu < 1", {"1", "9"}, {{0.25, 0.5}, {std::nullopt, NAN}, {1, 1}}});
  CHECK_THAT(svg, Contains("mu &lt; 1") && Contains("from 0.25 to 1"));
  CHECK_THAT(svg, Contains(">step 1</text>") && Contains(">9</text>") && Contains(">2</text>"));
  CHECK_THAT(svg_layer_map({"t", {"1"}, {{1}, {100}}}), Contains("100 (log)"));
  CHECK_THAT(svg_layer_map({"t", {}, {}}), Contains("</svg>") && !Contains("nan"));
}
