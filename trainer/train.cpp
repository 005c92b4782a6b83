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
#include "trainer/checkpoint.h"
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
#include "trainer/update.h"
#include "trainer/watchdog.h"

namespace tptt {
namespace {

using Clock = std::chrono::steady_clock;

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

// Over the layers that have one.
double mean(const std::vector<std::optional<double>>& values) {
  std::vector<double> known;
  for (const auto& value : values)
    if (value) known.push_back(*value);
  return mean(known);
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Run {
 public:
  explicit Run(TrainingSetup setup) : setup_(std::move(setup)) {}

  void execute() {
    if (main_) write_run_config(*setup_.dir, config_);
    restore_tensors(setup_);
    if (config_.liza)  // as the last step left it
      set_mag_weight(model_,
                     mag_weight_at(config_.liza->mag, std::max<int64_t>(state_.step - 1, 0)));
    if (main_) begin_records();
    std::signal(SIGINT, on_signal);
    std::signal(SIGTERM, on_signal);
    if (state_.step == 0 && evaluates()) evaluate();
    if (state_.step == 0 && draws_report()) records_->keep_before(answers());
    // Without the memory, and with an adapter that does nothing yet: the base model.
    if (state_.step == 0 && config_.evaluation.before) benchmark({});
    try {
      loop();
    } catch (const std::exception& e) {
      report_failure(e.what());
      throw;
    }
    finish();
  }

 private:
  void begin_records() {
    records_.emplace(*setup_.dir, config_, setup_.dir->resume_from ? state_.step : -1);
    const RunHead head = describe_run(setup_);
    write_run_json(setup_, head);
    say(head_text(head));
  }

  void loop() {
    const TrainingSection& t = config_.training;
    progress_ = start_progress(total_);
    start_ = Clock::now();
    first_step_ = state_.step;
    const int64_t epoch = steps_per_epoch(config_, data_);
    while (state_.step < total_ && !stops_early(state_.best, t)) {
      const bool stop = one_step();
      if (!data_.eval.empty() &&
          is_due(t.eval_strategy, t.eval_steps, state_.step, epoch, state_.step == total_))
        evaluate();
      const bool last = state_.step == total_ || stops_early(state_.best, t);
      const bool best = t.load_best_model_at_end && state_.best.step == state_.step;
      if (best || stop || is_due(t.save_strategy, t.save_steps, state_.step, epoch, last))
        save_checkpoint(setup_);
      if (stop) interrupt();
    }
    end_progress(progress_);
    if (stops_early(state_.best, t))
      log_info("stopped after step " + std::to_string(state_.step) + ": " +
               std::to_string(state_.best.evals_since) +
               " evaluations without a better loss than " + std::to_string(state_.best.eval_loss) +
               " of step " + std::to_string(state_.best.step));
    train_seconds_ = seconds_since(start_);
  }

  [[noreturn]] void interrupt() {
    end_progress(progress_);
    report_end("interrupted after " + steps_done());
    log_info("interrupted after " + steps_done() + ": the same command goes on from there");
    throw Interrupted{128 + int(caught_signal ? caught_signal : SIGTERM)};
  }

  // What there is of a run that ends before its time.
  void report_end(const std::string& state) const {
    if (draws_report()) records_->write_report(state, seconds_since(start_), {});
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

  // Whether a signal ends the run after it.
  bool one_step() {
    const TrainingSection& t = config_.training;
    const auto step_start = Clock::now();
    watchdog_.begin("step " + std::to_string(state_.step + 1));
    if (config_.liza) set_mag_weight(model_, mag_weight_at(config_.liza->mag, state_.step));
    const bool logged = (state_.step + 1) % t.logging_steps == 0 || state_.step + 1 == total_;
    std::vector<LayerLedger> ledger;
    const StepResult r = compute_step(
        setup_, state_.step,
        {.ledger = logged && config_.liza ? &ledger : nullptr, .signal = &caught_signal});
    const double norm = optimizer_.grad_norm();
    const double lr = learning_rate_at(config_, state_.step, total_);
    if (r.targets == 0)
      throw Error("step " + std::to_string(state_.step + 1) + ": no target token");
    if (state_.step == transfer_steps_)
      if (const auto warning = first_loss_warning(r.loss, model_.config.vocab_size))
        log_warning(*warning);
    update(setup_, r.loss, norm, lr);
    ++state_.step;
    watchdog_.done();
    const double seconds = seconds_since(step_start);
    tokens_ += r.tokens;
    targets_ += r.targets;
    step_seconds_ += seconds;
    flops_ += step_flops(model_, r);
    if (logged && main_) log_step(r, ledger, norm, lr, seconds);
    return r.stop;
  }

  void log_step(const StepResult& r, const std::vector<LayerLedger>& ledger, double norm, double lr,
                double seconds) {
    MetricsRow row = new_row();
    (r.transfer ? row.transfer_error : row.loss) = r.loss;
    row.learning_rate = lr;
    if (config_.liza) {
      if (!r.transfer) row.liza = liza_metrics(model_, ledger);
      row.mag_weight = row.liza ? mean(row.liza->mag_weight) : mean(mag_weights(model_));
    }
    row.grad_norm = norm;
    row.target_tokens = r.targets;
    row.tokens_per_second = double(r.tokens) / seconds;
    row.step_seconds = seconds;
    row.peak_rss_gb = peak_rss_gb();
    records_->log(row);
    if (row.liza) check_states(model_, *row.liza);
    const double per_step = seconds_since(start_) / double(state_.step - first_step_);
    show_progress(progress_, row, per_step * double(total_ - state_.step));
  }

  MetricsRow new_row() const {
    MetricsRow row;
    row.step = state_.step;
    row.epoch = double(state_.step) / double(steps_per_epoch(config_, data_));
    return row;
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
    return std::to_string(state_.step) + " of " + std::to_string(total_) + " steps";
  }

  bool draws_report() const { return records_ && records_->draws_report(); }

  // Of process 0; the others never write there.
  std::filesystem::path benchmark_directory() const {
    return main_ ? tptt::benchmark_directory(setup_.dir->benchmarks(), setup_.benchmarks)
                 : std::filesystem::path();
  }

  bool evaluates() const { return !data_.eval.empty() && config_.training.eval_strategy != "no"; }

  LossScore score_eval() const {
    return evaluate_loss(model_, data_.eval,
                         config_.training.per_device_eval_batch_size * config_.data.max_length,
                         Branch::mixed, setup_.group);
  }

  void evaluate() {
    settle_mag_weight();
    const LossScore score = score_eval();
    if (state_.step == 0) state_.eval_loss_before = score.loss;
    eval_loss_ = score.loss;
    if (state_.step > transfer_steps_) take_evaluation(state_.best, score.loss, state_.step);
    if (!main_) return;
    records_->evaluated(state_.step, score.examples);
    MetricsRow row = new_row();
    row.eval_loss = score.loss;
    row.target_tokens = score.num_target_tokens;
    records_->log(row);
    log_info("step " + std::to_string(state_.step) + ": " + eval_text(score.loss));
  }

  // Asks the questions of `evaluation:`; a process that is stopped goes on where it was.
  void benchmark(const Examinee& examinee) {
    settle_mag_weight();
    run_training_benchmarks(model_, *setup_.tokenizer, setup_.benchmarks, examinee,
                            benchmark_directory(), setup_.group, [this] {
                              if (caught_signal) interrupt();
                            });
  }

  // The adapter, and the memory's weight, as the best evaluation saw them; whether they were
  // others, and are scored.
  bool load_best() {
    if (!config_.training.load_best_model_at_end || state_.best.step < 0 ||
        state_.best.step == state_.step)
      return false;
    load_adapter_of_step(setup_, state_.best.step);
    if (config_.liza)
      set_mag_weight(model_, mag_weight_at(config_.liza->mag, state_.best.step - 1));
    const LossScore score = score_eval();
    if (main_) records_->evaluated(state_.best.step, score.examples);
    eval_loss_ = score.loss;
    log_info("the adapter is that of step " + std::to_string(state_.best.step) + ", eval loss " +
             std::to_string(state_.best.eval_loss));
    return true;
  }

  void finish() {
    const bool scored = load_best();
    const std::string adapter = main_ ? setup_.dir->adapter().string() : "";
    setup_.group.on_main([&] {
      std::filesystem::create_directories(adapter);
      write_adapter(model_, adapter_config_of(setup_), adapter);
      if (tokens_ > 0) write_results(adapter);
    });
    const auto& branches = config_.evaluation.branches;
    for (const std::string& branch : branches)
      if (config_.evaluation.after) benchmark({state_.step, branch});
    const bool draws = setup_.group.decide(
        draws_report() && (tokens_ > 0 || !std::filesystem::exists(setup_.dir->report_html())));
    if (draws && tokens_ == 0 && evaluates() && !scored) {  // a stopped process took them along
      settle_mag_weight();
      const LossScore score = score_eval();
      if (main_) records_->evaluated(state_.step, score.examples);
    }
    if (!main_) return;
    const Json benchmarks = benchmark_summary(benchmark_directory(), state_.step, branches);
    add_to_results(benchmarks);
    if (draws)
      records_->write_report("finished after " + steps_done(), train_seconds_, answers(),
                             benchmarks);
    if (tokens_ == 0) return log_info("nothing left to do: adapter in " + adapter);
    say_summary();
  }

  // Of LoRA's, when those have begun: the optimiser begins anew with them.
  int64_t skipped_steps() const {
    const int64_t before = state_.step > transfer_steps_ ? transfer_steps_ : 0;
    return state_.step - before - optimizer_.steps_done();
  }

  void write_results(const std::string& adapter) {
    Json results = {{"adapter", adapter},
                    {"train_seconds", train_seconds_},
                    {"peak_rss_gb", peak_rss_gb()},
                    {"skipped_steps", skipped_steps()}};
    if (!data_.eval.empty()) {
      results["eval_loss"] = eval_loss_;
      results["eval_loss_before"] = state_.eval_loss_before;
    }
    const int64_t shares = (state_.step - first_step_) * setup_.group.size();
    const double peak = gemm_peak_gflops(model_, tokens_ / shares, targets_ / shares);
    results["tokens_per_second"] = double(tokens_) / step_seconds_;
    results["gemm_peak_gflops"] = peak;
    results["gemm_fraction"] = flops_ / step_seconds_ / 1e9 / peak / double(setup_.group.size());
    write_file_atomic((setup_.dir->root / "results.json").string(), results.dump(2) + "\n");
  }

  void say_summary() {
    RunSummary summary = records_->summary();
    summary.steps = state_.step - first_step_;
    summary.tokens = tokens_;
    summary.seconds = train_seconds_;
    summary.tokens_per_second = double(tokens_) / step_seconds_;
    summary.peak_rss_gb = peak_rss_gb();
    say(summary_text(summary));
  }

  void add_to_results(const Json& benchmarks) const {
    const std::string path = (setup_.dir->root / "results.json").string();
    if (benchmarks.is_null() || !std::filesystem::exists(path)) return;
    Json results = read_json_object(path);
    results["benchmarks"] = benchmarks;
    write_file_atomic(path, results.dump(2) + "\n");
  }

  TrainingSetup setup_;
  const Config& config_ = setup_.config;
  const TrainingData& data_ = setup_.data;
  TrainingState& state_ = setup_.state;
  const bool main_ = setup_.group.is_main();
  CausalLM& model_ = *setup_.model;
  AdamW& optimizer_ = *setup_.optimizer;
  const int64_t total_ = setup_.total_steps;
  const int64_t transfer_steps_ = num_transfer_steps(config_, total_);
  std::optional<Records> records_;  // of process 0
  Watchdog watchdog_;
  Progress progress_;
  Clock::time_point start_;
  int64_t first_step_ = 0, tokens_ = 0, targets_ = 0;
  double train_seconds_ = 0, step_seconds_ = 0, flops_ = 0, eval_loss_ = 0;
};

}  // namespace

void train(Config config, const TrainFlags& flags) {
  TrainingSetup setup = set_up_training(std::move(config), flags);
  if (flags.dry_run) return dry_run(setup);
  Run(std::move(setup)).execute();
}

}  // namespace tptt
