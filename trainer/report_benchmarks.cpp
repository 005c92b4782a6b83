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

// One that is no number is null.
std::string number(const Json& value, const char* format = "%.4f") {
  return value.is_number() ? format_text(format, value.get<double>()) : "not known";
}

std::string interval(const Json& middle, const Json& error) {
  if (!middle.is_number() || !error.is_number()) return "not known";
  const double x = middle.get<double>(), reach = 1.96 * error.get<double>();
  return format_text("%+.4f to %+.4f", x - reach, x + reach);
}

std::string change_row(const Json& c) {
  return row(c["task"], c["score"],
             {grouped(c["questions"].get<int64_t>()), number(c["first"]), number(c["second"]),
              number(c["difference"], "%+.4f"), interval(c["difference"], c["standard_error"]),
              grouped(c["only_first"].get<int64_t>()), grouped(c["only_second"].get<int64_t>()),
              number(c["mcnemar_p"], "%.3g")});
}

// Two models side by side, by the names of their columns.
std::string change_table(const Json& changes, const std::string& first, const std::string& second) {
  std::string rows;
  for (const Json& change : changes) rows += change_row(change);
  return table({"questions", first, second, "change", "95% interval", "only " + first,
                "only " + second, "p"},
               rows);
}

// Of one time alone: each score and its standard error.
std::string score_rows(const Json& results) {
  std::string rows;
  for (const auto& [task, scores] : results.items())
    for (const auto& [key, value] : scores.items()) {
      const size_t comma = key.find(',');
      if (comma == std::string::npos || key.find("_stderr,") != std::string::npos) continue;
      const Json& error = scores[key.substr(0, comma) + "_stderr" + key.substr(comma)];
      rows += row(task, key, {number(value), number(error)});
    }
  return rows;
}

std::string before_and_after(const Json& benchmarks) {
  if (benchmarks.contains("changes")) {
    return change_table(benchmarks["changes"], "before", "after") +
           "<p class='muted'>The base model before, the model with its adapter after. Interval: of "
           "the paired difference. Only before and only after: questions that one scores higher "
           "on than the other; p: McNemar's exact test of their numbers.</p>\n";
  }
  const char* when = benchmarks.contains("after") ? "after" : "before";
  return table({"score", "standard error"}, score_rows(benchmarks[when])) +
         "<p class='muted'>Asked " + when + " training.</p>\n";
}

}  // namespace

std::string benchmark_table(const Json& benchmarks) {
  if (benchmarks.is_null()) return "";
  std::string page = before_and_after(benchmarks);
  if (!benchmarks.contains("branches")) return page;
  for (const auto& [name, branch] : benchmarks["branches"].items())
    page += change_table(branch["changes"], "mixed", name);
  return page +
         "<p class='muted'>The trained model as it is used (mixed) and by one branch alone.</p>\n";
}

}  // namespace tptt
