#include "trainer/train.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

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
#include "models/registry.h"
#include "trainer/adamw.h"
#include "trainer/adapter.h"
#include "trainer/best.h"
#include "trainer/checkpoint_dir.h"
#include "trainer/config_warnings.h"
#include "trainer/evaluate/questions.h"
#include "trainer/evaluate/sample.h"
#include "trainer/file_sum.h"
#include "trainer/forecast.h"
#include "trainer/guard.h"
#include "trainer/ledger.h"
#include "trainer/log.h"
#include "trainer/loss.h"
#include "trainer/metrics.h"
#include "trainer/progress.h"
#include "trainer/records.h"
#include "trainer/run_dir.h"
#include "trainer/run_head.h"
#include "trainer/runtime.h"
#include "trainer/schedule.h"
#include "trainer/train_data.h"

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

struct StepResult {
  double loss = 0;  // mean over all targets of the step
  int64_t tokens = 0, targets = 0;
};

// Backward of the summed loss over all micro-batches, divided by all their targets.
StepResult forward_backward(CausalLM& model, const std::vector<Batch>& batches, DropoutKey key,
                            ForwardOptions options) {
  StepResult result;
  for (const Batch& batch : batches) {
    result.targets += batch.targets.numel();
    result.tokens += batch.ids.numel();
  }
  for (size_t i = 0; i < batches.size(); ++i) {
    key.micro_batch = i;
    options.dropout = key;
    const at::Tensor loss = batch_loss(model, batches[i], options) / double(result.targets);
    options.ledger = nullptr;  // the first micro-batch stands for all
    loss.backward();
    result.loss += loss.item<double>();
  }
  return result;
}

// Multiply-adds of a LoRA step: forward and input gradients through every frozen weight.
double step_flops(CausalLM& model, const StepResult& r) {
  double layers = 0;
  for (const Linear* linear : model.linears())
    if (linear != &model.head()) layers += double(linear->in * linear->out) * linear->share;
  const Linear& head = model.head();
  return 4 * layers * double(r.tokens) + 4 * double(head.in * head.out) * double(r.targets);
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
  Run(Config config, const TrainFlags& flags)
      : config_(std::move(config)), dry_run_(flags.dry_run) {
    for (const std::string& line : settings_without_effect(config_)) log_warning(line);
    files_ = find_model(config_.model.name_or_path);
    if (!files_.gguf.empty()) base_name_ = source_repository(files_);
    if (base_name_.empty()) base_name_ = config_.model.name_or_path;
    if (const std::string& from = config_.model.adapter_name_or_path; !from.empty()) {
      continued_ = read_adapter_config(from);
      check_continues(*continued_, config_);
      for (const std::string& line : settings_of_adapter_hold(config_.lora, continued_->lora))
        log_warning(line);
      const double ratio = config_.lora.loraplus_lr_ratio;  // no adapter says it
      config_.lora = continued_->lora;
      config_.lora.loraplus_lr_ratio = ratio;
    }
    if (dry_run_) {
      check_run_dir(config_, flags.resume);
    } else {
      dir_.emplace(open_run_dir(config_, flags.resume));
    }
    set_threads(config_.training.num_threads);
    const at::Device device = resolve_device(config_.model.device);
    const at::ScalarType dtype = resolve_dtype(config_.model.dtype, device);
    config_.model.device = device.str();
    config_.model.dtype = to_string(dtype);
    tokenizer_ = load_tokenizer(files_);
    data_ = load_training_data(config_, *tokenizer_, files_);
    total_ = total_steps(config_, data_);
    if (const auto warning = eos_warning(data_.train, read_model_config(files_).eos_token_id))
      log_warning(*warning);
    model_ = load_causal_lm(files_, dtype, device);
    add_adapter();
    TrainingSection& t = config_.training;
    const double needed = activation_bytes(*model_, largest_micro_batch(config_, data_));
    if (t.gradient_checkpointing == "auto")
      t.gradient_checkpointing = needed > available_memory(device) / 2 ? "true" : "false";
    optimizer_ = std::make_unique<AdamW>(
        trainables(*model_),
        AdamWOptions{t.adam_beta1, t.adam_beta2, t.adam_epsilon, t.weight_decay,
                     config_.liza ? config_.liza->mag.gate_lr_multiplier : 1,
                     config_.lora.loraplus_lr_ratio});
  }

  void execute() {
    if (dry_run_) return forecast();
    write_run_config(*dir_, config_);
    restore();
    if (config_.liza)  // as the last step left it
      set_mag_weight(*model_, mag_weight_at(config_.liza->mag, std::max<int64_t>(step_ - 1, 0)));
    records_.emplace(*dir_, config_, dir_->resume_from ? step_ : -1);
    write_run_json();
    std::fputs(head_text(describe_run(config_, *model_, data_, total_)).c_str(), stderr);
    std::signal(SIGINT, on_signal);
    std::signal(SIGTERM, on_signal);
    if (step_ == 0 && !data_.eval.empty() && config_.training.eval_strategy != "no") evaluate();
    if (step_ == 0 && records_->draws_report()) records_->keep_before(answers());
    loop();
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
      if (caught_signal) {
        end_progress(progress_);
        if (records_->draws_report())
          records_->write_report("interrupted after " + steps_done(), seconds_since(start_), {});
        log_info("interrupted after " + steps_done() + ": the same command goes on from there");
        throw Interrupted{128 + int(caught_signal)};
      }
    }
    end_progress(progress_);
    if (stops_early(best_, t))
      log_info("stopped after step " + std::to_string(step_) + ": " +
               std::to_string(best_.evals_since) + " evaluations without a better loss than " +
               std::to_string(best_.eval_loss) + " of step " + std::to_string(best_.step));
    train_seconds_ = seconds_since(start_);
  }

  void add_adapter() {
    const std::string& from = config_.model.adapter_name_or_path;
    if (config_.liza) inject_liza(*model_, *config_.liza);
    add_lora(*model_, config_.lora, uint64_t(config_.training.seed));
    if (from.empty()) return;
    const bool gates = continued_->liza && continued_->liza->mag.mode == "learned";
    if (config_.liza && config_.liza->mag.mode == "learned" && !gates)
      log_info(from + " has no gates: they start from liza.mag.mag_weight");
    load_adapter_weights(*model_, from, gates);
  }

  StepResult compute(int64_t step, std::vector<LayerLedger>* ledger) {
    const auto batches =
        step_batches(config_, data_, model_->config.vocab_size, model_->device(), step);
    ForwardOptions options;
    options.neftune_noise_alpha = config_.training.neftune_noise_alpha;
    options.gradient_checkpointing = config_.training.gradient_checkpointing == "true";
    options.ledger = ledger;
    return forward_backward(*model_, batches, {uint64_t(config_.training.seed), uint64_t(step), 0},
                            options);
  }

  void one_step() {
    const TrainingSection& t = config_.training;
    const auto step_start = Clock::now();
    if (config_.liza) set_mag_weight(*model_, mag_weight_at(config_.liza->mag, step_));
    const bool logged = (step_ + 1) % t.logging_steps == 0 || step_ + 1 == total_;
    std::vector<LayerLedger> ledger;
    const StepResult r = compute(step_, logged && config_.liza ? &ledger : nullptr);
    const double norm = optimizer_->grad_norm();
    const double lr = t.learning_rate * lr_factor(t, step_, total_);
    if (r.targets == 0) throw Error("step " + std::to_string(step_ + 1) + ": no target token");
    if (step_ == 0)
      if (const auto warning = first_loss_warning(r.loss, model_->config.vocab_size))
        log_warning(*warning);
    update(r.loss, norm, lr);
    ++step_;
    const double seconds = seconds_since(step_start);
    tokens_ += r.tokens;
    step_seconds_ += seconds;
    flops_ += step_flops(*model_, r);
    if (!logged) return;
    MetricsRow row = new_row();
    row.loss = r.loss;
    row.learning_rate = lr;
    if (config_.liza) {
      row.mag_weight = mean(mag_weights(*model_));
      row.liza = liza_metrics(*model_, ledger);
    }
    row.grad_norm = norm;
    row.target_tokens = r.targets;
    row.tokens_per_second = double(r.tokens) / seconds;
    row.step_seconds = seconds;
    row.peak_rss_gb = peak_rss_gb();
    records_->log(row);
    if (row.liza) check_states(*model_, *row.liza);
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
      optimizer_->zero_grad();
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
    const auto parameters = trainables(*model_);
    if (!moved_ && lr > 0) first.emplace(parameters);
    optimizer_->step(lr, limit > 0 && norm > limit ? limit / (norm + 1e-6) : 1);
    if (first) first->check(lr);
    moved_ |= lr > 0;
  }

  // As readers of the adapter will have it.
  void settle_mag_weight() {
    if (config_.liza && mag_alternates(config_.liza->mag))
      set_mag_weight(*model_, config_.liza->mag.mag_weight);
  }

  std::vector<Answer> answers() {
    settle_mag_weight();
    const TrainingSection& t = config_.training;
    const int64_t rows = std::min(t.per_device_train_batch_size, t.per_device_eval_batch_size);
    return answer(*model_, *tokenizer_,
                  questions_of(data_.first_rows, config_, *model_, *tokenizer_),
                  rows * config_.data.max_length);
  }

  std::string steps_done() const {
    return std::to_string(step_) + " of " + std::to_string(total_) + " steps";
  }

  void evaluate() {
    settle_mag_weight();
    const LossScore score = evaluate_loss(
        *model_, data_.eval, config_.training.per_device_eval_batch_size * config_.data.max_length);
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

  AdapterConfig adapter_config() const {
    return {config_.lora, config_.liza, base_name_, files_.gguf};
  }

  void save() {
    write_checkpoint_dir(*dir_, step_, config_.training.save_total_limit,
                         config_.training.load_best_model_at_end ? best_.step : -1,
                         [&](const std::filesystem::path& dir) {
                           write_adapter(*model_, adapter_config(), dir.string());
                           write_tensors((dir / kOptimizerFile).string(), optimizer_->state());
                           const Json state = {{"step", step_},
                                               {"optimizer_steps", optimizer_->steps_done()},
                                               {"eval_loss_before", eval_loss_before_},
                                               {"best", to_json(best_)}};
                           write_file_atomic((dir / kStateFile).string(), state.dump(2) + "\n");
                         });
  }

  void restore() {
    if (!dir_->resume_from) return;
    const std::filesystem::path& from = *dir_->resume_from;
    load_adapter_weights(*model_, from.string(),
                         config_.liza && config_.liza->mag.mode == "learned");
    read_tensors((from / kOptimizerFile).string(), optimizer_->state());
    const std::string path = (from / kStateFile).string();
    const Json state = read_json_file(path);
    step_ = json_int(state, "step", path);
    optimizer_->set_steps_done(json_int(state, "optimizer_steps", path));
    eval_loss_before_ = json_number(state, "eval_loss_before", path, 0.0);
    best_ = best_from_json(state, path);
    log_info("resumed from " + from.string());
  }

  void write_run_json() const {
    int64_t trainable = 0;
    for (const Trainable& p : trainables(*model_)) trainable += p.tensor.numel();
    const Json run = {{"tptt_version", TPTT_VERSION},
                      {"libtorch_version", TPTT_TORCH_VERSION},
                      {"model", config_.model.name_or_path},
                      {"device", config_.model.device},
                      {"dtype", config_.model.dtype},
                      {"seed", config_.training.seed},
                      {"num_threads", config_.training.num_threads},
                      {"trainable_parameters", trainable},
                      {"train_examples", data_.train.size()},
                      {"eval_examples", data_.eval.size()},
                      {"total_steps", total_},
                      {"files", file_sums()}};
    write_file_atomic(dir_->run_json().string(), run.dump(2) + "\n");
  }

  // What the run read, by path: whether it is the same that another run read.
  Json file_sums() const {
    std::vector<std::string> paths = model_file_paths(files_);
    for (const auto* files : {&config_.data.train, &config_.data.eval})
      for (const DataFile& file : *files) paths.push_back(file.path);
    Json sums = Json::object();
    for (const std::string& path : paths) {
      const FileSum sum = sum_file(path);
      sums[path] = {{"size", sum.size}, {"fnv1a64", to_hex(sum.fnv1a64)}};
    }
    return sums;
  }

  // The adapter, and the memory's weight, as the best evaluation saw them.
  void load_best() {
    if (!config_.training.load_best_model_at_end || best_.step < 0 || best_.step == step_) return;
    const bool gates = config_.liza && config_.liza->mag.mode == "learned";
    load_adapter_weights(*model_, dir_->checkpoint(best_.step).string(), gates);
    if (config_.liza) set_mag_weight(*model_, mag_weight_at(config_.liza->mag, best_.step - 1));
    const LossScore score = evaluate_loss(
        *model_, data_.eval, config_.training.per_device_eval_batch_size * config_.data.max_length);
    records_->evaluated(best_.step, score.examples);
    eval_loss_ = score.loss;
    log_info("the adapter is that of step " + std::to_string(best_.step) + ", eval loss " +
             std::to_string(best_.eval_loss));
  }

  void finish() {
    load_best();
    const std::string adapter = dir_->adapter().string();
    std::filesystem::create_directories(adapter);
    write_adapter(*model_, adapter_config(), adapter);
    Json results = {
        {"adapter", adapter}, {"train_seconds", train_seconds_}, {"peak_rss_gb", peak_rss_gb()}};
    if (!data_.eval.empty()) {
      results["eval_loss"] = eval_loss_;
      results["eval_loss_before"] = eval_loss_before_;
    }
    if (tokens_ > 0) {
      const ModelConfig& c = model_->config;
      const double peak =
          measure_gemm_gflops(std::max<int64_t>(1, tokens_ / (step_ - first_step_)), c.hidden_size,
                              c.layers[0].mlp.intermediate_size, model_->dtype(), model_->device());
      results["tokens_per_second"] = double(tokens_) / step_seconds_;
      results["gemm_peak_gflops"] = peak;
      results["gemm_fraction"] = flops_ / step_seconds_ / 1e9 / peak;
      write_file_atomic((dir_->root / "results.json").string(), results.dump(2) + "\n");
    }
    if (records_->draws_report() && (tokens_ > 0 || !std::filesystem::exists(dir_->report_html())))
      records_->write_report("finished after " + steps_done(), train_seconds_, answers());
    if (tokens_ == 0) return log_info("nothing left to do: adapter in " + adapter);
    RunSummary summary = records_->summary();
    summary.steps = step_ - first_step_;
    summary.tokens = tokens_;
    summary.seconds = train_seconds_;
    summary.tokens_per_second = double(tokens_) / step_seconds_;
    summary.peak_rss_gb = peak_rss_gb();
    std::fputs(summary_text(summary).c_str(), stderr);
  }

  // Measured, not guessed: the largest step of the first epoch, twice, without an update.
  void forecast() {
    const int64_t steps = std::min(total_, steps_per_epoch(config_, data_));
    int64_t largest = 0, most = 0;
    for (int64_t step = 0; step < steps; ++step) {
      int64_t tokens = 0;
      for (const Batch& b : step_batches(config_, data_, model_->config.vocab_size, at::kCPU, step))
        tokens += b.ids.numel();
      if (tokens > most) largest = step, most = tokens;
    }
    compute(largest, nullptr);
    const auto start = Clock::now();
    const StepResult r = compute(largest, nullptr);
    const double seconds = seconds_since(start);
    if (!std::isfinite(r.loss)) throw Error("dry run: the loss is not finite");
    int64_t trainable = 0, average = 0;
    for (const Trainable& p : trainables(*model_)) trainable += p.tensor.numel();
    for (const Example& e : data_.train) average += int64_t(e.ids.size());
    const double share = double(average) / double(steps_per_epoch(config_, data_)) /
                         double(std::max<int64_t>(most, 1));
    std::printf(
        "configuration is valid: %ld steps of up to %ld tokens, %ld trainable parameters, %s on "
        "%s\n"
        "forecast, from the largest step: %.2f GB peak memory, %.0f s of training (%.2f s a "
        "step)\n",
        long(total_), long(most), long(trainable), config_.model.dtype.c_str(),
        config_.model.device.c_str(), peak_rss_gb(), seconds * share * double(total_),
        seconds * share);
  }

  Config config_;
  bool dry_run_;
  ModelFiles files_;
  std::string base_name_;  // as adapters name it
  std::optional<RunDir> dir_;
  std::optional<AdapterConfig> continued_;  // what model.adapter_name_or_path is
  std::unique_ptr<Tokenizer> tokenizer_;
  TrainingData data_;
  std::unique_ptr<CausalLM> model_;
  std::unique_ptr<AdamW> optimizer_;
  Best best_;
  bool moved_ = false;  // an update was made, and the adapter seen to change
  std::optional<Records> records_;
  Progress progress_;
  Clock::time_point start_;
  int64_t step_ = 0, first_step_ = 0, total_ = 0, tokens_ = 0;
  int skipped_ = 0;
  double train_seconds_ = 0, step_seconds_ = 0, flops_ = 0, eval_loss_ = 0, eval_loss_before_ = 0;
};

}  // namespace

void train(Config config, const TrainFlags& flags) {
  Run(std::move(config), flags).execute();
}

}  // namespace tptt
