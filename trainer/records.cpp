#include "trainer/records.h"

#include <cstdio>

namespace tptt {
namespace {

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
    : metrics_(dir.metrics_jsonl()) {
  truncate_metrics(metrics_, last_step);
  write_jsonl_ = reports_to(config.training, "jsonl");
  if (!reports_to(config.training, "tensorboard")) return;
  events_ = std::make_unique<EventFile>(dir.root, last_step + 1);
  events_->add_text(last_step + 1, "config", "```yaml\n" + to_yaml(config) + "```\n");
}

void Records::log(const MetricsRow& row) {
  if (write_jsonl_) append_metrics(metrics_, row);
  if (events_) events_->add_scalars(row.step, tagged_scalars(row));
}

}  // namespace tptt
