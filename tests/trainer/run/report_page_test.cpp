#include "trainer/report_page.h"

#include <catch2/catch.hpp>
#include <cmath>

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

constexpr const char* kEvil = "</pre><script>alert('1')</script>";

size_t count(const std::string& page, const std::string& text) {
  size_t found = 0;
  for (size_t at = page.find(text); at != std::string::npos; at = page.find(text, at + 1)) ++found;
  return found;
}

Report whole_report() {
  Report report;
  report.model = "org/model";
  report.adapter = "runs/a/adapter";
  report.state = "finished after 3 of 3 steps";
  report.rows = {{.step = 0, .target_tokens = 60, .eval_loss = 3.0}};
  for (const int64_t step : {1, 2, 3})
    report.rows.push_back({.step = step,
                           .loss = 4.0 / double(step),
                           .learning_rate = 1e-3,
                           .grad_norm = 1.0,
                           .tokens_per_second = 100.0 * double(step),
                           .peak_rss_gb = 1.5,
                           .liza = LizaMetrics{{0.1, 0.2}, {1, 2}, {3, 4}, {5, std::nullopt}}});
  report.rows.push_back({.step = 3, .target_tokens = 60, .eval_loss = 1.0});
  for (int i = 0; i < 6; ++i) {
    report.eval_before.push_back({30.0 + i % 2, 10});
    report.eval_after.push_back({10.0, 10});
  }
  report.answers_before = {{"p1", "e1", "b1"}, {"p2", "e2", "b2"}};
  report.answers_after = {{"p1", "e1", "a1"}, {"p2", "e2", ""}};
  report.run = {{"device", "cpu"}, {"files", {{"a.bin", {{"size", 12345}, {"fnv1a64", "00ff"}}}}}};
  report.config_yaml = "model:\n  name_or_path: org/model\n";
  return report;
}

}  // namespace

TEST_CASE("the report shows what the run was") {
  const std::string page = report_page(whole_report());
  CHECK_THAT(page, Contains("Fine-tuning org/model") && Contains("finished after 3 of 3 steps"));
  CHECK_THAT(page, Contains("4 \u2192 1.333") && Contains("3 \u2192 1"));
  CHECK(count(page, "<svg") == 9);  // no mean weight in these rows
  CHECK(count(page, "aria-label") == 9 + 4);
  CHECK_THAT(page, Contains("<td class='n'>20.09</td>"));  // perplexity before
  CHECK_THAT(page, Contains("<td class='n'>-2.083 to -2.017</td>") && Contains("paired bootstrap over 6 examples"));
  CHECK_THAT(page,
             Contains(">b1<") && Contains(">a1<") && Contains(">e1<") && Contains("(nothing)"));
  CHECK_THAT(page, Contains("12,345") && Contains("00ff") && Contains("name_or_path: org/model"));
}

TEST_CASE("nothing that users or models wrote is HTML in the report") {
  Report report = whole_report();
  const std::string plain = report_page(report);
  report.model = report.adapter = report.state = report.written = report.config_yaml = kEvil;
  report.answers_before = report.answers_after = {{kEvil, kEvil, kEvil}};
  report.warnings.lines = {kEvil};
  report.run = {{kEvil, kEvil}, {"files", {{kEvil, {{"size", kEvil}, {"fnv1a64", kEvil}}}}}};
  const std::string page = report_page(report);
  CHECK_THAT(page, !Contains("<script") && Contains("&lt;script&gt;"));
  CHECK(count(page, "</pre>") == count(plain, "</pre>"));
}

TEST_CASE("a report of huge or missing parts is still a page") {
  Report report = whole_report();
  report.config_yaml.assign(3 << 20, 'x');
  report.answers_after = {
      {std::string(1 << 20, 'p'), std::string(1 << 20, 'e'), std::string(1 << 20, 'a')}};
  report.warnings = {std::vector<std::string>(100, std::string(1 << 16, 'w')), 7};
  for (int64_t step = 4; step < 20000; ++step) {
    MetricsRow row = report.rows[1];
    row.step = step;
    row.loss = step % 7 == 0 ? NAN : 1.0 / double(step);
    row.liza = LizaMetrics{std::vector<std::optional<double>>(60, double(step)), {}, {}, {}};
    report.rows.push_back(row);
  }
  const std::string page = report_page(report);
  CHECK(page.size() < 1000000);
  CHECK_THAT(page, Contains("more bytes]") && Contains("and 7 more"));
  CHECK_THAT(report_page(Report()), Contains("</html>") && !Contains("nan") && !Contains("inf"));
}

TEST_CASE("the report says what is missing and why") {
  Report report = whole_report();
  report.answers_before.clear();
  report.eval_before.clear();
  CHECK_THAT(report_page(report), Contains("without samples_before.json") &&
                                      Contains("not known") && !Contains("before training</span>"));
  report = whole_report();
  report.answers_after.clear();
  report.adapter.clear();
  CHECK_THAT(report_page(report), Contains("the run did not finish") && Contains("No adapter") &&
                                      !Contains("after training</span>"));
  report.answers_before.clear();
  CHECK_THAT(report_page(report), Contains("No row was asked"));
  report.rows.resize(2);
  CHECK_THAT(report_page(report), Contains("Loss 3, perplexity 20.09 at step 0"));
}
