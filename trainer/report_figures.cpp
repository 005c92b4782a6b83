#include <algorithm>
#include <cmath>
#include <functional>

#include "trainer/html.h"
#include "trainer/number_text.h"
#include "trainer/report_page.h"
#include "trainer/svg_plot.h"

namespace tptt {
namespace {

using Points = std::vector<std::pair<double, double>>;
using Value = std::optional<double> (*)(const MetricsRow&);

constexpr size_t kMostPoints = 500, kMostColumns = 48;

Points points_of(const std::vector<MetricsRow>& rows, Value value) {
  Points points;
  for (const MetricsRow& row : rows)
    if (const auto y = value(row)) points.emplace_back(double(row.step), *y);
  return points;
}

// Means over as many points in a row as it takes to leave no more than `most`.
Points thinned(const Points& points, size_t most) {
  const size_t size = (points.size() + most - 1) / most;
  if (size <= 1) return points;
  Points out;
  for (size_t begin = 0; begin < points.size(); begin += size) {
    const size_t end = std::min(points.size(), begin + size);
    double x = 0, y = 0;
    for (size_t i = begin; i < end; ++i) x += points[i].first, y += points[i].second;
    out.emplace_back(x / double(end - begin), y / double(end - begin));
  }
  return out;
}

// An exponential mean over about a twentieth of the points, without a pull to its start.
Points smoothed(const Points& points) {
  const double keep = 1 - 2 / (1 + std::max(1.0, double(points.size()) / 20));
  double mean = 0, weight = 0;
  Points out;
  for (const auto& [x, y] : points) {
    if (!std::isfinite(y)) continue;
    mean = keep * mean + (1 - keep) * y;
    weight = keep * weight + (1 - keep);
    out.emplace_back(x, mean / weight);
  }
  return out;
}

std::string range(const Points& points) {
  return rounded(points.front().second) +
         (points.size() > 1 ? kArrow + rounded(points.back().second) : "");
}

// The values themselves faint, smoothed on top of them where there are many.
void add_noisy(LinePlot& plot, const std::string& name, const Points& points) {
  constexpr size_t kFew = 20;
  if (points.empty()) return;
  const bool many = points.size() > kFew;
  if (many) plot.lines.push_back({"", thinned(points, kMostPoints)});
  plot.lines.push_back(
      {name + range(points), many ? thinned(smoothed(points), kMostPoints) : points});
}

std::string figure(const std::string& svg) {
  return "<figure>" + svg + "</figure>\n";
}

std::string noisy_figure(const std::vector<MetricsRow>& rows, const std::string& title,
                         Value value) {
  LinePlot plot{title, "step", false, {}, {}};
  add_noisy(plot, "", points_of(rows, value));
  return plot.lines.empty() ? "" : figure(svg_line_plot(plot));
}

std::string plain_figure(const std::vector<MetricsRow>& rows, const std::string& title,
                         Value value) {
  const Points points = points_of(rows, value);
  if (points.empty()) return "";
  return figure(
      svg_line_plot({title, "step", false, {}, {{range(points), thinned(points, kMostPoints)}}}));
}

std::string loss_figure(const std::vector<MetricsRow>& rows) {
  LinePlot plot{"Loss", "step", false, {}, {}};
  add_noisy(plot, "loss ", points_of(rows, [](const MetricsRow& r) { return r.loss; }));
  const Points eval = points_of(rows, [](const MetricsRow& r) { return r.eval_loss; });
  if (!eval.empty()) plot.lines.push_back({"eval loss " + range(eval), thinned(eval, kMostPoints)});
  return plot.lines.empty() ? "" : figure(svg_line_plot(plot));
}

using Layers = std::vector<std::optional<double>>;

// One value of every layer by step: means over neighbouring rows where there are many.
LayerMap layer_map(const std::string& title, const std::vector<MetricsRow>& rows,
                   Layers LizaMetrics::*member) {
  std::vector<const MetricsRow*> with;
  for (const MetricsRow& row : rows)
    if (row.liza && !((*row.liza).*member).empty()) with.push_back(&row);
  LayerMap map{title, {}, {}};
  const size_t size = (with.size() + kMostColumns - 1) / kMostColumns;
  for (size_t begin = 0; begin < with.size(); begin += size) {
    const size_t end = std::min(with.size(), begin + size);
    map.columns.push_back(std::to_string(with[end == with.size() ? end - 1 : begin]->step));
    const size_t layers = ((*with[begin]->liza).*member).size();
    map.values.resize(std::max(map.values.size(), layers));
    for (size_t layer = 0; layer < layers; ++layer) {
      double sum = 0;
      int count = 0;
      for (size_t i = begin; i < end; ++i) {
        const Layers& values = (*with[i]->liza).*member;
        if (layer < values.size() && values[layer]) sum += *values[layer], ++count;
      }
      map.values[layer].push_back(count > 0 ? std::optional(sum / count) : std::nullopt);
    }
  }
  return map;
}

std::string cell(const Layers& values, size_t layer) {
  const bool known = layer < values.size() && values[layer];
  return "<td class='n'>" + (known ? rounded(*values[layer]) : "") + "</td>";
}

std::string layer_table(const LizaMetrics& first, const LizaMetrics& last) {
  std::string out =
      "<details><summary>Layers in numbers, first and last step</summary><div class='scroll' "
      "tabindex='0' role='region' aria-label='Layers in numbers'><table><tr><th class='n'>layer"
      "</th>";
  for (const char* name : {"\u00b5", "softmax RMS", "memory RMS", "state norm"})
    out += std::string("<th class='n'>") + name + " first</th><th class='n'>last</th>";
  for (size_t i = 0; i < last.mag_weight.size(); ++i)
    out += "</tr>\n<tr><td class='n'>" + std::to_string(i) + "</td>" + cell(first.mag_weight, i) +
           cell(last.mag_weight, i) + cell(first.softmax_rms, i) + cell(last.softmax_rms, i) +
           cell(first.linear_rms, i) + cell(last.linear_rms, i) + cell(first.state_norm, i) +
           cell(last.state_norm, i);
  return out + "</tr></table></div></details>\n";
}

}  // namespace

std::string run_figures(const std::vector<MetricsRow>& rows) {
  using Row = const MetricsRow&;
  return "<div class='plots'>" + loss_figure(rows) +
         plain_figure(rows, "Share of the window's error left, attention transfer",
                      [](Row r) { return r.transfer_error; }) +
         plain_figure(rows, "Learning rate", [](Row r) { return r.learning_rate; }) +
         noisy_figure(rows, "Gradient norm", [](Row r) { return r.grad_norm; }) +
         noisy_figure(rows, "Tokens per second", [](Row r) { return r.tokens_per_second; }) +
         plain_figure(rows, "Peak memory (GB)", [](Row r) { return r.peak_rss_gb; }) + "</div>\n";
}

std::string layer_figures(const std::vector<MetricsRow>& rows) {
  const auto has = [](const MetricsRow& row) { return row.liza.has_value(); };
  const auto first = std::find_if(rows.begin(), rows.end(), has);
  if (first == rows.end()) return "";
  const auto last = std::find_if(rows.rbegin(), rows.rend(), has);
  const auto map = [&](const std::string& title, Layers LizaMetrics::*member) {
    return figure(svg_layer_map(layer_map(title, rows, member)));
  };
  return "<div class='plots'>" +
         plain_figure(rows, "Mean weight of the memory (\u00b5)",
                      [](const MetricsRow& r) { return r.mag_weight; }) +
         map("Weight of the memory (\u00b5)", &LizaMetrics::mag_weight) +
         map("RMS of the softmax branch", &LizaMetrics::softmax_rms) +
         map("RMS of the memory's branch", &LizaMetrics::linear_rms) +
         map("Norm of the memory's state", &LizaMetrics::state_norm) + "</div>\n" +
         layer_table(*first->liza, *last->liza);
}

}  // namespace tptt
