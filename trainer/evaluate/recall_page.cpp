#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "trainer/evaluate/recall.h"
#include "trainer/html.h"
#include "trainer/svg_plot.h"

namespace tptt {
namespace {

std::string figure(const std::string& svg) {
  return "<div class='plots'><figure>" + svg + "</figure></div>\n";
}

std::string percent(double depth) {
  return std::to_string(std::lround(100 * depth)) + "%";
}

// The rows of one branch.
std::vector<Json> rows_of(const Json& rows, const std::string& branch) {
  std::vector<Json> out;
  for (const Json& row : rows)
    if (row["branch"].get<std::string>() == branch) out.push_back(row);
  return out;
}

template <class Value>
std::vector<Value> distinct(const Json& rows, const char* key) {
  std::vector<Value> values;
  for (const Json& row : rows) {
    const Value value = row[key].get<Value>();
    if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
  }
  return values;
}

std::string needle_maps(const Json& results) {
  const Json& rows = results["needle"];
  const auto lengths = distinct<int64_t>(rows, "length");
  const auto depths = distinct<double>(rows, "depth");
  std::string out;
  for (const std::string branch : results["branches"]) {
    HeatMap map{branch, "tokens", "depth", {}, {}, {}};
    for (const int64_t length : lengths) map.columns.push_back(std::to_string(length));
    for (const double depth : depths) {
      map.rows.push_back(percent(depth));
      auto& values = map.values.emplace_back();
      for (const Json& row : rows_of(rows, branch))
        if (row["depth"].get<double>() == depth) values.push_back(row["accuracy"]);
    }
    out += "<figure>" + svg_heat_map(map) + "</figure>\n";
  }
  return out;
}

using Point = std::pair<double, double>;

std::vector<PlotLine> lines_of(const Json& results, const char* task, Point (*point)(const Json&)) {
  std::vector<PlotLine> lines;
  for (const std::string branch : results["branches"]) {
    lines.push_back({branch, {}});
    for (const Json& row : rows_of(results[task], branch))
      lines.back().points.push_back(point(row));
  }
  return lines;
}

double lowest(const PlotLine& line) {
  double low = line.points[0].second;
  for (const Point& p : line.points) low = std::min(low, p.second);
  return low;
}

// A branch that is lost would leave the others no room: it is named, not drawn.
std::string loss_plot(const Json& results) {
  const auto point = [](const Json& row) { return Point(row["end"], row["loss"]); };
  LinePlot plot{"Cross-entropy", "position (end of its range)", true, {}, {}};
  std::string lost;
  for (PlotLine& line : lines_of(results, "perplexity", point)) {
    if (!plot.lines.empty() && lowest(line) > 2 * lowest(plot.lines[0])) {
      char low[32];
      std::snprintf(low, sizeof low, "%.1f", lowest(line));
      lost += "<p>Above the plot: " + line.name + ", " + low + " and more.</p>\n";
    } else {
      plot.lines.push_back(std::move(line));
    }
  }
  return figure(svg_line_plot(plot)) + lost;
}

std::string associative_plot(const Json& results) {
  const auto point = [](const Json& row) { return Point(row["num_keys"], row["accuracy"]); };
  return figure(svg_line_plot({"Share right", "pairs", true, std::pair(0.0, 1.0),
                               lines_of(results, "associative", point)}));
}

std::string table(const Json& rows) {
  std::string out = "<div class='scroll'><table><tr>";
  for (const auto& [key, value] : rows[0].items())
    out += "<th class='n'>" + escape_html(key) + "</th>";
  for (const Json& row : rows) {
    out += "</tr>\n<tr>";
    for (const auto& [key, value] : row.items()) {
      char rounded[32];
      std::snprintf(rounded, sizeof rounded, "%.4g", value.is_number() ? value.get<double>() : 0);
      out += "<td class='n'>" +
             (value.is_number_float()
                  ? rounded
                  : escape_html(value.is_string() ? value.get<std::string>() : value.dump())) +
             "</td>";
    }
  }
  return out + "</tr></table></div>\n";
}

std::string describe(const Json& results) {
  std::string out = "<p>Model <b>" + escape_html(results["model"]) + "</b>";
  if (const std::string adapter = results["adapter"]; !adapter.empty())
    out += ", adapter <b>" + escape_html(adapter) + "</b>";
  out += ", text " + escape_html(results["text"]);
  if (results["max_self_attn_length"].is_number())
    out += ", window of " + results["max_self_attn_length"].dump() + " tokens and " +
           results["num_sink_tokens"].dump() + " sinks";
  return out + ".</p>\n";
}

}  // namespace

std::string recall_page(const Json& results) {
  std::string out = "<h1>Long-context recall</h1>\n" + describe(results);
  out +=
      "<p>Branches: <b>softmax</b>: the memory off, full attention; <b>window</b>: the memory off, "
      "attention bounded; <b>mixed</b>: as trained; <b>linear</b>: the memory alone.</p>\n";
  out +=
      "<h2>Loss by position</h2>\n<p>Mean cross-entropy of the text's tokens, by how many "
      "stand before them.</p>\n";
  out += loss_plot(results);
  out +=
      "<h2>Needle in a haystack</h2>\n<p>A sentence with a five-digit number somewhere in the "
      "text: how often greedy decoding gives the number at the end.</p>\n<div class='plots'>" +
      needle_maps(results) + "</div>\n";
  out +=
      "<h2>Associative recall</h2>\n<p>Lines of word and number, asked again in another order: "
      "how many numbers greedy decoding gives.</p>\n";
  out += associative_plot(results);
  for (const char* task : {"perplexity", "needle", "associative"})
    out += std::string("<details><summary>") + task + " in numbers</summary>\n" +
           table(results[task]) + "</details>\n";
  return html_page("tptt recall", out);
}

}  // namespace tptt
