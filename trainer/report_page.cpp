#include "trainer/report_page.h"

#include <algorithm>
#include <cmath>

#include "trainer/html.h"
#include "trainer/number_text.h"

namespace tptt {
namespace {

constexpr size_t kMostText = 1500, kMostConfig = 200000, kMostFiles = 200;

std::string text(const std::string& value) {
  return escape_html(cut_text(value, kMostText));
}

std::string tile(const std::string& value, const std::string& what) {
  return "<div class='tile'><b>" + escape_html(value) + "</b><span>" + escape_html(what) +
         "</span></div>\n";
}

template <class Value>
std::vector<Value> all_of(const std::vector<MetricsRow>& rows,
                          std::optional<Value> MetricsRow::*member) {
  std::vector<Value> values;
  for (const MetricsRow& row : rows)
    if (row.*member) values.push_back(*(row.*member));
  return values;
}

std::string first_to_last(const std::vector<double>& values) {
  return values.size() > 1 ? rounded(values.front()) + kArrow + rounded(values.back())
                           : rounded(values.front());
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::string tiles(const Report& report) {
  std::string out = "<div class='tiles'>\n";
  const auto losses = all_of(report.rows, &MetricsRow::loss);
  const auto eval = all_of(report.rows, &MetricsRow::eval_loss);
  const auto rates = all_of(report.rows, &MetricsRow::tokens_per_second);
  const auto memory = all_of(report.rows, &MetricsRow::peak_rss_gb);
  if (!losses.empty()) out += tile(first_to_last(losses), "training loss, first and last step");
  if (!eval.empty()) out += tile(first_to_last(eval), "evaluation loss, first and last");
  if (!rates.empty()) out += tile(rounded(median(rates)), "tokens per second, median");
  if (!memory.empty())
    out += tile(rounded(*std::max_element(memory.begin(), memory.end())) + " GB", "peak memory");
  if (report.seconds > 0) out += tile(duration_text(report.seconds), "of training");
  if (const auto it = report.run.find("trainable_parameters");
      it != report.run.end() && it->is_number_integer())
    out += tile(grouped(it->get<int64_t>()), "trainable parameters");
  return out + "</div>\n";
}

std::string number_row(const std::string& name, const std::vector<std::string>& cells) {
  std::string out = "<tr><th>" + name + "</th>";
  for (const std::string& cell : cells) out += "<td class='n'>" + cell + "</td>";
  return out + "</tr>\n";
}

std::string scores(const Report& report) {
  std::vector<const MetricsRow*> evals;
  for (const MetricsRow& row : report.rows)
    if (row.eval_loss) evals.push_back(&row);
  if (evals.empty()) return "<p class='muted'>Nothing was evaluated: data.eval is empty.</p>\n";
  const MetricsRow &first = *evals.front(), &last = *evals.back();
  if (evals.size() == 1)
    return "<p>Loss " + rounded(*first.eval_loss) + ", perplexity " +
           rounded(std::exp(*first.eval_loss)) + " at step " + std::to_string(first.step) +
           "; not evaluated again.</p>\n";
  const double before = *first.eval_loss, after = *last.eval_loss;
  const auto step = [](const MetricsRow& row) {
    return "<th class='n'>step " + std::to_string(row.step) + "</th>";
  };
  std::string out =
      "<div class='scroll' tabindex='0' role='region' aria-label='Scores'><table><tr><th></th>" +
      step(first) + step(last) + "<th class='n'>change</th><th class='n'>95% interval</th></tr>\n";
  const auto interval = loss_change_interval(report.eval_before, report.eval_after, report.seed);
  const std::string range =
      interval ? rounded(interval->first) + " to " + rounded(interval->second) : "not known";
  out += number_row("loss", {rounded(before), rounded(after), rounded(after - before), range});
  const std::string factor = interval ? "\u00d7 " + rounded(std::exp(interval->first)) + " to " +
                                            rounded(std::exp(interval->second))
                                      : "not known";
  out += number_row("perplexity", {rounded(std::exp(before)), rounded(std::exp(after)),
                                   "\u00d7 " + rounded(std::exp(after - before)), factor});
  out += "</table></div>\n<p class='muted'>Mean over the target tokens of the held-out examples" +
         (last.target_tokens ? " (" + grouped(*last.target_tokens) + " tokens)" : "") + ". ";
  if (interval)
    return out + "Interval of the change: paired bootstrap over " +
           grouped(int64_t(report.eval_after.size())) + " examples, 2000 draws, seed " +
           std::to_string(report.seed) + ".</p>\n";
  return out +
         "An interval needs the losses of two or more examples, before training and at the last "
         "step.</p>\n";
}

std::string said(const std::string& label, const std::string& value) {
  return "<div><span class='label'>" + label + "</span><div class='said' dir='auto'>" +
         (value.empty() ? "<span class='muted'>(nothing)</span>" : text(value)) + "</div></div>\n";
}

std::string said_by(const std::string& label, const std::vector<Answer>& answers,
                    const std::string& prompt) {
  for (const Answer& answer : answers)
    if (answer.prompt == prompt) return said(label, answer.text);
  return "";
}

std::string answers(const Report& report) {
  const std::vector<Answer>&before = report.answers_before, &after = report.answers_after;
  std::string out = "<p class='muted'>Greedy decoding, the first rows of the data.";
  if (before.empty() && after.empty()) return "<p class='muted'>No row was asked.</p>\n";
  if (before.empty())
    out += " Answers before training are missing: the run was resumed without samples_before.json.";
  if (after.empty()) out += " Answers after training are missing: the run did not finish.";
  out += "</p>\n";
  int number = 0;
  for (const Answer& a : after.empty() ? before : after)
    out += "<article class='card'><h3>" + std::to_string(++number) + "</h3>\n" +
           said("prompt", a.prompt) + "<div class='pair'>" +
           said_by("before training", before, a.prompt) +
           said_by("after training", after, a.prompt) + said("in the data", a.expected) +
           "</div></article>\n";
  return out;
}

std::string warnings(const LoggedWarnings& logged) {
  if (logged.lines.empty()) return "<p class='muted'>None.</p>\n";
  std::string out = "<ul>\n";
  for (const std::string& line : logged.lines) out += "<li>" + text(line) + "</li>\n";
  if (logged.num_more > 0) out += "<li>and " + std::to_string(logged.num_more) + " more</li>\n";
  return out + "</ul>\n";
}

std::string plain(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_number_integer() ? grouped(value.get<int64_t>())
                                   : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string facts(const Json& run) {
  std::string out = "<table class='facts'>\n";
  for (const auto& [key, value] : run.items())
    if (!value.is_structured())
      out += "<tr><th>" + text(key) + "</th><td>" + text(plain(value)) + "</td></tr>\n";
  return out + "</table>\n";
}

std::string files(const Json& run) {
  const auto it = run.find("files");
  if (it == run.end() || !it->is_object()) return "";
  std::string out =
      "<h3>Files that were read</h3>\n<div class='scroll' tabindex='0' role='region' "
      "aria-label='Files that were read'><table><tr><th>file</th><th "
      "class='n'>bytes</th><th>FNV-1a "
      "64</th></tr>\n";
  size_t count = 0;
  for (const auto& [path, sum] : it->items()) {
    if (++count > kMostFiles) break;
    out += "<tr><td>" + text(path) + "</td><td class='n'>" +
           text(plain(sum.value("size", Json()))) + "</td><td>" +
           text(plain(sum.value("fnv1a64", Json()))) + "</td></tr>\n";
  }
  out += "</table></div>\n";
  if (it->size() > kMostFiles)
    out += "<p class='muted'>and " + std::to_string(it->size() - kMostFiles) +
           " more, in run.json</p>\n";
  return out;
}

std::string section(const std::string& title, const std::string& body) {
  return body.empty() ? "" : "<h2>" + title + "</h2>\n" + body;
}

}  // namespace

std::string report_page(const Report& report) {
  const std::string name = cut_text(report.model, 200);
  std::string body = "<h1>Fine-tuning " + escape_html(name) + "</h1>\n<p class='muted'>Run " +
                     text(report.state) + "; report of " + text(report.written) + ".</p>\n<p>" +
                     (report.adapter.empty() ? "No adapter was written yet."
                                             : "Adapter: <b>" + text(report.adapter) + "</b>") +
                     "</p>\n";
  body += tiles(report);
  body += section("Curves", run_figures(report.rows));
  body += section("The memory, layer by layer", layer_figures(report.rows));
  body += section("Scores", scores(report));
  body += section("Benchmarks", benchmark_table(report.benchmarks));
  body += section("Answers before and after", answers(report));
  body += section("Warnings", warnings(report.warnings));
  body += section("Run", facts(report.run) + files(report.run));
  body += section("Configuration",
                  "<pre class='box' tabindex='0' role='region' aria-label='Configuration'>" +
                      escape_html(cut_text(report.config_yaml, kMostConfig)) + "</pre>\n");
  return html_page("tptt: " + name, body);
}

}  // namespace tptt
