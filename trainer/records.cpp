#include "trainer/records.h"

#include <cmath>
#include <cstdio>
#include <ctime>

#include "models/formats/atomic_file.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

const Json& list_of(const Json& json, const char* key, const std::string& where) {
  const auto it = json.find(key);
  if (it == json.end() || !it->is_array()) throw Error(where + ": " + key + " must be a list");
  return *it;
}

void read_before(const fs::path& path, std::vector<ExampleLoss>& losses,
                 std::vector<Answer>& answers) {
  const std::string where = path.string();
  const Json json = read_json_file(path);
  for (const Json& loss : list_of(json, "eval_losses", where))
    losses.push_back(
        {json_number(loss, "sum", where, NAN), json_int(loss, "target_tokens", where)});
  for (const Json& a : list_of(json, "answers", where))
    answers.push_back({json_string(a, "prompt", where), json_string(a, "expected", where),
                       json_string(a, "text", where)});
}

// A prompt that fits into a line.
std::string short_prompt(const std::vector<Answer>& answers) {
  constexpr size_t kMost = 60;
  for (const Answer& answer : answers)
    if (answer.prompt.size() <= kMost &&
        answer.prompt.find_first_of("\r\n\t\x1b") == std::string::npos)
      return answer.prompt;
  return "...";
}

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", ::gmtime_r(&now, &utc));
  return text;
}

std::string layer_tag(const char* name, size_t layer) {
  char number[32];
  std::snprintf(number, sizeof number, "layer_%02zu", layer);
  return std::string("liza/") + name + "/" + number;
}

}  // namespace

std::vector<std::pair<std::string, double>> tagged_scalars(const MetricsRow& row) {
  const std::string group = row.eval_loss ? "eval/" : "train/", eval = "eval_";
  std::vector<std::pair<std::string, double>> out = {{group + "epoch", row.epoch}};
  visit_scalars(row, [&](const std::string& name, const auto& value) {
    if (value)
      out.emplace_back(group + name.substr(name.starts_with(eval) ? eval.size() : 0),
                       double(*value));
  });
  if (!row.liza) return out;
  visit_layers(*row.liza, [&out](const char* name, const auto& values) {
    for (size_t i = 0; i < values.size(); ++i)
      if (values[i]) out.emplace_back(layer_tag(name, i), *values[i]);
  });
  return out;
}

Records::Records(const RunDir& dir, const Config& config, int64_t last_step)
    : metrics_(dir.metrics_jsonl()),
      before_(dir.samples_before_json()),
      report_(dir.report_html()),
      run_json_(dir.run_json()),
      adapter_(dir.adapter()),
      model_(config.model.name_or_path),
      chat_template_(config.data.chat_template),
      config_yaml_(to_yaml(config)),
      seed_(uint64_t(config.training.seed)),
      write_jsonl_(reports_to(config.training, "jsonl")),
      draws_report_(reports_to(config.training, "html")) {
  truncate_metrics(metrics_, last_step);
  truncate_events(dir.root, last_step);
  for (const MetricsRow& row : read_metrics(metrics_)) note(row);
  if (draws_report_ && last_step > 0 && fs::exists(before_))
    read_before(before_, eval_before_, answers_before_);
  if (!reports_to(config.training, "tensorboard")) return;
  events_ = std::make_unique<EventFile>(dir.root, last_step + 1);
  events_->add_text(last_step + 1, "config", "```yaml\n" + config_yaml_ + "```\n");
}

void Records::note(const MetricsRow& row) {
  const auto extend = [](std::optional<std::pair<double, double>>& ends,
                         const std::optional<double>& value) {
    if (value) ends = {ends ? ends->first : *value, *value};
  };
  extend(loss_, row.loss);
  extend(eval_loss_, row.eval_loss);
}

void Records::log(const MetricsRow& row) {
  note(row);
  if (write_jsonl_) append_metrics(metrics_, row);
  if (events_) events_->add_scalars(row.step, tagged_scalars(row));
}

void Records::evaluated(int64_t step, const std::vector<ExampleLoss>& losses) {
  (step == 0 ? eval_before_ : eval_after_) = losses;
}

void Records::keep_before(std::vector<Answer> answers) {
  answers_before_ = std::move(answers);
  Json json = {{"eval_losses", Json::array()}, {"answers", Json::array()}};
  for (const ExampleLoss& loss : eval_before_)
    json["eval_losses"].push_back({{"sum", loss.sum}, {"target_tokens", loss.num_target_tokens}});
  for (const Answer& a : answers_before_)
    json["answers"].push_back({{"prompt", a.prompt}, {"expected", a.expected}, {"text", a.text}});
  write_file_atomic(before_.string(), json.dump(1) + "\n");
}

RunSummary Records::summary() const {
  RunSummary summary;
  summary.loss = loss_;
  summary.eval_loss = eval_loss_;
  summary.eval_interval = loss_change_interval(eval_before_, eval_after_, seed_);
  summary.adapter = adapter_.string();
  if (draws_report_) summary.report = report_.string();
  summary.command =
      generate_command(model_, summary.adapter, chat_template_ == "auto" ? "" : chat_template_,
                       short_prompt(answers_before_));
  return summary;
}

void Records::write_report(const std::string& state, double seconds, std::vector<Answer> answers,
                           Json benchmarks) const {
  Report report;
  report.model = model_;
  if (fs::exists(adapter_)) report.adapter = adapter_.string();
  report.state = state;
  report.written = now_text();
  report.seconds = seconds;
  report.rows = read_metrics(metrics_);
  report.eval_before = eval_before_;
  report.eval_after = eval_after_;
  report.seed = seed_;
  report.answers_before = answers_before_;
  report.answers_after = std::move(answers);
  report.benchmarks = std::move(benchmarks);
  report.warnings = logged_warnings();
  report.run = read_json_file(run_json_);
  report.config_yaml = config_yaml_;
  write_file_atomic(report_.string(), report_page(report));
}

}  // namespace tptt
