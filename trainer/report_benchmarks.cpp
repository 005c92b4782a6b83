#include "trainer/html.h"
#include "trainer/number_text.h"
#include "trainer/report_page.h"

namespace tptt {
namespace {

std::string cell(const std::string& value) {
  return "<td class='n'>" + escape_html(value) + "</td>";
}

std::string row(const std::string& task, const std::string& name,
                const std::vector<std::string>& cells) {
  std::string out = "<tr><th>" + escape_html(task) + "</th><td>" + escape_html(name) + "</td>";
  for (const std::string& value : cells) out += cell(value);
  return out + "</tr>\n";
}

std::string table(const std::vector<std::string>& numbers, const std::string& rows) {
  std::string head = "<tr><th>task</th><th>score</th>";
  for (const std::string& name : numbers) head += "<th class='n'>" + name + "</th>";
  return "<div class='scroll' tabindex='0' role='region' aria-label='Benchmarks'><table>" + head +
         "</tr>\n" + rows + "</table></div>\n";
}

std::string score(double value) {
  return format_text("%.4f", value);
}

std::string change_row(const Json& c) {
  const double difference = c["difference"], error = 1.96 * c["standard_error"].get<double>();
  return row(c["task"], c["score"],
             {grouped(c["questions"].get<int64_t>()), score(c["first"]), score(c["second"]),
              format_text("%+.4f", difference),
              format_text("%+.4f to %+.4f", difference - error, difference + error),
              grouped(c["only_first"].get<int64_t>()), grouped(c["only_second"].get<int64_t>()),
              format_text("%.3g", c["mcnemar_p"].get<double>())});
}

// Of one time alone: each score and its standard error.
std::string score_rows(const Json& results) {
  std::string rows;
  for (const auto& [task, scores] : results.items())
    for (const auto& [key, value] : scores.items()) {
      const size_t comma = key.find(',');
      if (comma == std::string::npos || key.find("_stderr,") != std::string::npos) continue;
      const Json& error = scores[key.substr(0, comma) + "_stderr" + key.substr(comma)];
      rows += row(task, key, {score(value), error.is_number() ? score(error) : "not known"});
    }
  return rows;
}

}  // namespace

std::string benchmark_table(const Json& benchmarks) {
  if (benchmarks.is_null()) return "";
  if (benchmarks.contains("changes")) {
    std::string rows;
    for (const Json& change : benchmarks["changes"]) rows += change_row(change);
    return table({"questions", "before", "after", "change", "95% interval", "only before",
                  "only after", "p"},
                 rows) +
           "<p class='muted'>The base model before, the model with its adapter after. Interval: of "
           "the paired difference. Only before and only after: questions that one scores higher "
           "on than the other; p: McNemar's exact test of their numbers.</p>\n";
  }
  const char* when = benchmarks.contains("after") ? "after" : "before";
  return table({"score", "standard error"}, score_rows(benchmarks[when])) +
         "<p class='muted'>Asked " + when + " training.</p>\n";
}

}  // namespace tptt
