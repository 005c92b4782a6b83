#include "trainer/train.h"

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "models/formats/atomic_file.h"
#include "models/formats/error.h"
#include "models/formats/json.h"
#include "models/liza/inject.h"
#include "models/lora.h"
#include "trainer/adapter.h"
#include "trainer/best.h"
#include "trainer/checkpoint_dir.h"
#include "trainer/dry_run.h"
#include "trainer/evaluate/questions.h"
#include "trainer/evaluate/sample.h"
#include "trainer/evaluate/training_benchmarks.h"
#include "trainer/gemm_peak.h"
#include "trainer/guard.h"
#include "trainer/log.h"
#include "trainer/metrics.h"
#include "trainer/progress.h"
#include "trainer/records.h"
#include "trainer/run_head.h"
#include "trainer/run_json.h"
#include "trainer/runtime.h"
#include "trainer/schedule.h"
#include "trainer/train_step.h"

namespace tptt {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMaxSkippedInARow = 5;
constexpr const char* kOptimizerFile = "optimizer.safetensors";
constexpr const char* kStateFile = "trainer.json";

volatile std::sig_atomic_t caught_signal = 0;

void on_signal(int signal) {
  if (caught_signal) std::_Exit(128 + signal);  // a second one leaves at once
  caught_signal = signal;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v / double(values.size());
  return sum;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Run {
 public:
  explicit Run(TrainingSetup setup) : setup_(std::move(setup)) {}

  void execute() {
    write_run_config(dir_, config_);
    restore();
    if (config_.liza)  // as the last step left it
      set_mag_weight(model_, mag_weight_at(config_.liza->mag, std::max<int64_t>(step_ - 1, 0)));
    records_.emplace(dir_, config_, dir_.resume_from ? step_ : -1);
    const RunHead head = describe_run(setup_);
    write_run_json(setup_, head);
    std::fputs(head_text(head).c_str(), stderr);
    std::signal(SIGINT, on_signal);
    std::signal(SIGTERM, on_signal);
    if (step_ == 0 && evaluates()) evaluate();
    if (step_ == 0 && records_->draws_report()) records_->keep_before(answers());
    // Without the memory, and with an adapter that does nothing yet: the base model.
    if (step_ == 0 && config_.evaluation.before) benchmark({});
    try {
      loop();
    } catch (const std::exception& e) {
      report_failure(e.what());
      throw;
    }
    finish();
  }

 private:
  void loop() {
    const TrainingSection& t = config_.training;
    progress_ = start_progress(total_);
    start_ = Clock::now();
    first_step_ = step_;
    const int64_t epoch = steps_per_epoch(config_, data_);
    while (step_ < total_ && !stops_early(best_, t)) {
      one_step();
      if (!data_.eval.empty() &&
          is_due(t.eval_strategy, t.eval_steps, step_, epoch, step_ == total_))
        evaluate();
      const bool last = step_ == total_ || stops_early(best_, t);
      const bool best = t.load_best_model_at_end && best_.step == step_;
      if (best || caught_signal || is_due(t.save_strategy, t.save_steps, step_, epoch, last))
        save();
      if (caught_signal) interrupt();
    }
    end_progress(progress_);
    if (stops_early(best_, t))
      log_info("stopped after step " + std::to_string(step_) + ": " +
               std::to_string(best_.evals_since) + " evaluations without a better loss than " +
               std::to_string(best_.eval_loss) + " of step " + std::to_string(best_.step));
    train_seconds_ = seconds_since(start_);
  }

  [[noreturn]] void interrupt() {
    end_progress(progress_);
    report_end("interrupted after " + steps_done());
    log_info("interrupted after " + steps_done() + ": the same command goes on from there");
    throw Interrupted{128 + int(caught_signal)};
  }

  // What there is of a run that ends before its time.
  void report_end(const std::string& state) const {
    if (records_->draws_report()) records_->write_report(state, seconds_since(start_), {});
  }

  // So that a run which failed can be looked at as well. The error matters more than one here.
  void report_failure(const std::string& what) noexcept {
    end_progress(progress_);
    try {
      report_end("failed after " + steps_done() + ": " + what.substr(0, what.find('\n')));
    } catch (const std::exception& e) {
      log_warning(std::string("no report: ") + e.what());
    }
  }

  void one_step() {
    const TrainingSection& t = config_.training;
    const auto step_start = Clock::now();
    if (config_.liza) set_mag_weight(model_, mag_weight_at(config_.liza->mag, step_));
    const bool logged = (step_ + 1) % t.logging_steps == 0 || step_ + 1 == total_;
    std::vector<LayerLedger> ledger;
    const StepResult r = compute_step(setup_, step_, logged && config_.liza ? &ledger : nullptr);
    const double norm = optimizer_.grad_norm();
    const double lr = t.learning_rate * lr_factor(t, step_, total_);
    if (r.targets == 0) throw Error("step " + std::to_string(step_ + 1) + ": no target token");
    if (step_ == 0)
      if (const auto warning = first_loss_warning(r.loss, model_.config.vocab_size))
        log_warning(*warning);
    update(r.loss, norm, lr);
    ++step_;
    const double seconds = seconds_since(step_start);
    tokens_ += r.tokens;
    targets_ += r.targets;
    step_seconds_ += seconds;
    flops_ += step_flops(model_, r);
    if (!logged) return;
    MetricsRow row = new_row();
    row.loss = r.loss;
    row.learning_rate = lr;
    if (config_.liza) {
      row.mag_weight = mean(mag_weights(model_));
      row.liza = liza_metrics(model_, ledger);
    }
    row.grad_norm = norm;
    row.target_tokens = r.targets;
    row.tokens_per_second = double(r.tokens) / seconds;
    row.step_seconds = seconds;
    row.peak_rss_gb = peak_rss_gb();
    records_->log(row);
    if (row.liza) check_states(model_, *row.liza);
    const double per_step = seconds_since(start_) / double(step_ - first_step_);
    show_progress(progress_, row, per_step * double(total_ - step_));
  }

  MetricsRow new_row() const {
    MetricsRow row;
    row.step = step_;
    row.epoch = double(step_) / double(steps_per_epoch(config_, data_));
    return row;
  }

  // Non-finite losses or gradients never reach the weights or the moments.
  void update(double loss, double norm, double lr) {
    if (!std::isfinite(loss) || !std::isfinite(norm)) {
      optimizer_.zero_grad();
      log_warning("step " + std::to_string(step_ + 1) +
                  ": loss or gradient is not finite; skipped");
      if (++skipped_ >= kMaxSkippedInARow)
        throw Error("loss or gradient was not finite for " + std::to_string(skipped_) +
                    " steps in a row; lower training.learning_rate");
      return;
    }
    skipped_ = 0;
    const double limit = config_.training.max_grad_norm;
    std::optional<FirstUpdate> first;
    const auto parameters = trainables(model_);
    if (!moved_ && lr > 0) first.emplace(parameters);
    optimizer_.step(lr, limit > 0 && norm > limit ? limit / (norm + 1e-6) : 1);
    if (first) first->check(lr);
    moved_ |= lr > 0;
  }

  // As readers of the adapter will have it.
  void settle_mag_weight() {
    if (config_.liza && mag_alternates(config_.liza->mag))
      set_mag_weight(model_, config_.liza->mag.mag_weight);
  }

  std::vector<Answer> answers() {
    settle_mag_weight();
    const TrainingSection& t = config_.training;
    const int64_t rows = std::min(t.per_device_train_batch_size, t.per_device_eval_batch_size);
    return answer(model_, *setup_.tokenizer,
                  questions_of(data_.first_rows, config_, model_, *setup_.tokenizer),
                  rows * config_.data.max_length);
  }

  std::string steps_done() const {
    return std::to_string(step_) + " of " + std::to_string(total_) + " steps";
  }

  bool evaluates() const { return !data_.eval.empty() && config_.training.eval_strategy != "no"; }

  LossScore score_eval() const {
    return evaluate_loss(model_, data_.eval,
                         config_.training.per_device_eval_batch_size * config_.data.max_length);
  }

  void evaluate() {
    settle_mag_weight();
    const LossScore score = score_eval();
    records_->evaluated(step_, score.examples);
    if (step_ == 0) eval_loss_before_ = score.loss;
    eval_loss_ = score.loss;
    if (step_ > 0) take_evaluation(best_, score.loss, step_);
    MetricsRow row = new_row();
    row.eval_loss = score.loss;
    row.target_tokens = score.num_target_tokens;
    records_->log(row);
    log_info("step " + std::to_string(step_) + ": " + eval_text(score.loss));
  }

  // Asks the questions of `evaluation:`; a process that is stopped goes on where it was.
  void benchmark(const Examinee& examinee) {
    settle_mag_weight();
    run_training_benchmarks(model_, *setup_.tokenizer, setup_.benchmarks, examinee,
                            benchmark_directory_, [this] {
                              if (caught_signal) interrupt();
                            });
  }

  AdapterConfig adapter_config() const {
    return {config_.lora, config_.liza, setup_.base_name, setup_.files.gguf};
  }

  void save() {
    write_checkpoint_dir(dir_, step_, config_.training.save_total_limit,
                         config_.training.load_best_model_at_end ? best_.step : -1,
                         [&](const std::filesystem::path& dir) {
                           write_adapter(model_, adapter_config(), dir.string());
                           write_tensors((dir / kOptimizerFile).string(), optimizer_.state());
                           const Json state = {{"step", step_},
                                               {"optimizer_steps", optimizer_.steps_done()},
                                               {"eval_loss_before", eval_loss_before_},
                                               {"best", to_json(best_)}};
                           write_file_atomic((dir / kStateFile).string(), state.dump(2) + "\n");
                         });
  }

  void restore() {
    if (!dir_.resume_from) return;
    const std::filesystem::path& from = *dir_.resume_from;
    load_adapter_weights(model_, from.string(), has_gates(config_.liza));
    read_tensors((from / kOptimizerFile).string(), optimizer_.state());
    const std::string path = (from / kStateFile).string();
    const Json state = read_json_file(path);
    step_ = json_int(state, "step", path);
    optimizer_.set_steps_done(json_int(state, "optimizer_steps", path));
    eval_loss_before_ = json_number(state, "eval_loss_before", path, 0.0);
    best_ = best_from_json(state, path);
    log_info("resumed from " + from.string());
  }

  // The adapter, and the memory's weight, as the best evaluation saw them; whether they were
  // others, and are scored.
  bool load_best() {
    if (!config_.training.load_best_model_at_end || best_.step < 0 || best_.step == step_)
      return false;
    load_adapter_weights(model_, dir_.checkpoint(best_.step).string(), has_gates(config_.liza));
    if (config_.liza) set_mag_weight(model_, mag_weight_at(config_.liza->mag, best_.step - 1));
    const LossScore score = score_eval();
    records_->evaluated(best_.step, score.examples);
    eval_loss_ = score.loss;
    log_info("the adapter is that of step " + std::to_string(best_.step) + ", eval loss " +
             std::to_string(best_.eval_loss));
    return true;
  }

  void finish() {
    const bool scored = load_best();
    const std::string adapter = dir_.adapter().string();
    std::filesystem::create_directories(adapter);
    write_adapter(model_, adapter_config(), adapter);
    Json results = {
        {"adapter", adapter}, {"train_seconds", train_seconds_}, {"peak_rss_gb", peak_rss_gb()}};
    if (!data_.eval.empty()) {
      results["eval_loss"] = eval_loss_;
      results["eval_loss_before"] = eval_loss_before_;
    }
    if (tokens_ > 0) {
      const double peak = gemm_peak_gflops(model_, tokens_ / (step_ - first_step_),
                                           targets_ / (step_ - first_step_));
      results["tokens_per_second"] = double(tokens_) / step_seconds_;
      results["gemm_peak_gflops"] = peak;
      results["gemm_fraction"] = flops_ / step_seconds_ / 1e9 / peak;
      write_file_atomic((dir_.root / "results.json").string(), results.dump(2) + "\n");
    }
    const auto& branches = config_.evaluation.branches;
    for (const std::string& branch : branches)
      if (config_.evaluation.after) benchmark({step_, branch});
    const Json benchmarks = benchmark_summary(benchmark_directory_, step_, branches);
    add_to_results(benchmarks);
    const bool report_missing = !std::filesystem::exists(dir_.report_html());
    if (records_->draws_report() && (tokens_ > 0 || report_missing)) {
      if (tokens_ == 0 && evaluates() && !scored) {  // a stopped process took the losses along
        settle_mag_weight();
        records_->evaluated(step_, score_eval().examples);
      }
      records_->write_report("finished after " + steps_done(), train_seconds_, answers(),
                             benchmarks);
    }
    if (tokens_ == 0) return log_info("nothing left to do: adapter in " + adapter);
    RunSummary summary = records_->summary();
    summary.steps = step_ - first_step_;
    summary.tokens = tokens_;
    summary.seconds = train_seconds_;
    summary.tokens_per_second = double(tokens_) / step_seconds_;
    summary.peak_rss_gb = peak_rss_gb();
    std::fputs(summary_text(summary).c_str(), stderr);
  }

  void add_to_results(const Json& benchmarks) const {
    const std::string path = (dir_.root / "results.json").string();
    if (benchmarks.is_null() || !std::filesystem::exists(path)) return;
    Json results = read_json_file(path);
    results["benchmarks"] = benchmarks;
    write_file_atomic(path, results.dump(2) + "\n");
  }

  TrainingSetup setup_;
  const Config& config_ = setup_.config;
  const TrainingData& data_ = setup_.data;
  const RunDir& dir_ = *setup_.dir;
  CausalLM& model_ = *setup_.model;
  AdamW& optimizer_ = *setup_.optimizer;
  const std::filesystem::path benchmark_directory_ =
      benchmark_directory(dir_.benchmarks(), setup_.benchmarks);
  const int64_t total_ = setup_.total_steps;
  Best best_;
  bool moved_ = false;  // an update was made, and the adapter seen to change
  std::optional<Records> records_;
  Progress progress_;
  Clock::time_point start_;
  int64_t step_ = 0, first_step_ = 0, tokens_ = 0, targets_ = 0;
  int skipped_ = 0;
  double train_seconds_ = 0, step_seconds_ = 0, flops_ = 0, eval_loss_ = 0, eval_loss_before_ = 0;
};

}  // namespace

void train(Config config, const TrainFlags& flags) {
  TrainingSetup setup = set_up_training(std::move(config), flags);
  if (flags.dry_run) return dry_run(setup);
  Run(std::move(setup)).execute();
}

}  // namespace tptt
