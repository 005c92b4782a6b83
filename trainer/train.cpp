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
#include "models/lora.h"
#include "models/registry.h"
#include "trainer/adamw.h"
#include "trainer/adapter.h"
#include "trainer/evaluate/sample.h"
#include "trainer/log.h"
#include "trainer/loss.h"
#include "trainer/metrics.h"
#include "trainer/progress.h"
#include "trainer/run_dir.h"
#include "trainer/runtime.h"
#include "trainer/schedule.h"

namespace tptt {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMaxSkippedInARow = 5;
constexpr int64_t kEvalTokens = 2048;

volatile std::sig_atomic_t caught_signal = 0;

void on_signal(int signal) {
  if (caught_signal) std::_Exit(128 + signal);  // a second one leaves at once
  caught_signal = signal;
}

struct Dataset {
  std::vector<Example> train, eval;
  std::vector<std::vector<int64_t>> items;  // examples of each pack, or one each
};

std::vector<Example> load_examples(const std::vector<DataFile>& files, const Config& config,
                                   const Tokenizer& tokenizer, int32_t eos, const char* what) {
  std::vector<Row> rows;
  for (const DataFile& file : files)
    for (Row& row : read_rows(file.path, file.format, file.limit)) rows.push_back(std::move(row));
  if (rows.empty()) return {};
  TokenizeOptions options;
  const bool chat =
      std::any_of(rows.begin(), rows.end(), [](const Row& r) { return !r.messages.empty(); });
  if (chat) options.chat_template = resolve_chat_template(config.data.chat_template, tokenizer);
  options.max_length = config.data.max_length;
  options.excess_length_strategy = config.data.excess_length_strategy;
  options.completion_only_loss = config.data.completion_only_loss;
  TokenizedRows tokenized = tokenize_rows(rows, tokenizer, eos, options);
  log_info(std::string(what) + ": " + std::to_string(tokenized.examples.size()) + " examples, " +
           std::to_string(tokenized.num_truncated) + " truncated, " +
           std::to_string(tokenized.num_dropped) + " dropped");
  return std::move(tokenized.examples);
}

Dataset load_dataset(const Config& config, const Tokenizer& tokenizer, const ModelConfig& model) {
  if (model.eos_token_id.empty()) throw Error("the model's config names no eos_token_id");
  const int32_t eos = int32_t(model.eos_token_id.front());
  Dataset data;
  data.train = load_examples(config.data.train, config, tokenizer, eos, "train");
  data.eval = load_examples(config.data.eval, config, tokenizer, eos, "eval");
  if (config.data.packing) {
    data.items = pack_best_fit(data.train, config.data.max_length);
    log_info("packed into " + std::to_string(data.items.size()) + " sequences of at most " +
             std::to_string(config.data.max_length) + " tokens");
  } else {
    for (int64_t i = 0; i < int64_t(data.train.size()); ++i) data.items.push_back({i});
  }
  return data;
}

int64_t steps_per_epoch(const Config& config, const Dataset& data) {
  const int64_t per_step =
      config.training.per_device_train_batch_size * config.training.gradient_accumulation_steps;
  return (int64_t(data.items.size()) + per_step - 1) / per_step;
}

int64_t total_steps(const Config& config, const Dataset& data) {
  if (config.training.max_steps > 0) return config.training.max_steps;
  return std::max<int64_t>(1, int64_t(std::ceil(config.training.num_train_epochs *
                                                double(steps_per_epoch(config, data)))));
}

// The micro-batches of one optimiser step; they follow from the seed and the step alone.
std::vector<Batch> step_batches(const Config& config, const Dataset& data, const CausalLM& model,
                                int64_t step) {
  const TrainingSection& t = config.training;
  const int64_t per_epoch = steps_per_epoch(config, data), count = int64_t(data.items.size());
  const auto order = epoch_order(count, uint64_t(t.seed), step / per_epoch, config.data.shuffle);
  const int64_t size = t.per_device_train_batch_size;
  const int64_t begin = step % per_epoch * size * t.gradient_accumulation_steps;
  const int64_t end = std::min(count, begin + size * t.gradient_accumulation_steps);
  std::vector<Batch> batches;
  for (int64_t at = begin; at < end; at += size) {
    std::vector<int64_t> examples;
    for (int64_t i = at; i < std::min(end, at + size); ++i)
      examples.insert(examples.end(), data.items[order[i]].begin(), data.items[order[i]].end());
    batches.push_back(collate(data.train, examples, model.config.vocab_size, model.device()));
  }
  return batches;
}

struct StepResult {
  double loss = 0;  // mean over all targets of the step
  int64_t tokens = 0, targets = 0;
};

// Backward of the summed loss over all micro-batches, divided by all their targets.
StepResult forward_backward(CausalLM& model, const std::vector<Batch>& batches, DropoutKey key) {
  StepResult result;
  for (const Batch& batch : batches) {
    result.targets += batch.targets.numel();
    result.tokens += batch.ids.numel();
  }
  for (size_t i = 0; i < batches.size(); ++i) {
    key.micro_batch = i;
    const at::Tensor loss = batch_loss(model, batches[i], &key) / double(result.targets);
    loss.backward();
    result.loss += loss.item<double>();
  }
  return result;
}

// Multiply-adds of a LoRA step: forward and input gradients through every frozen weight.
double step_flops(CausalLM& model, const StepResult& r) {
  double layers = 0;
  for (const Linear* linear : model.linears())
    if (linear != &model.head()) layers += double(linear->in * linear->out);
  const Linear& head = model.head();
  return 4 * layers * double(r.tokens) + 4 * double(head.in * head.out) * double(r.targets);
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v / double(values.size());
  return sum;
}

class Run {
 public:
  Run(Config config, const TrainFlags& flags)
      : config_(std::move(config)), dry_run_(flags.dry_run) {
    const ModelFiles files = find_model(config_.model.name_or_path);
    if (!dry_run_) dir_ = std::make_unique<RunDir>(config_, flags.resume);
    set_threads(config_.training.num_threads);
    const at::Device device = resolve_device(config_.model.device);
    const at::ScalarType dtype = resolve_dtype(config_.model.dtype, device);
    config_.model.device = device.str();
    config_.model.dtype = to_string(dtype);
    tokenizer_ = load_tokenizer(files);
    data_ = load_dataset(config_, *tokenizer_, read_model_config(files));
    total_ = total_steps(config_, data_);
    model_ = load_causal_lm(files, dtype, device);
    add_adapter();
    const TrainingSection& t = config_.training;
    optimizer_ = std::make_unique<AdamW>(
        trainables(*model_),
        AdamWOptions{t.adam_beta1, t.adam_beta2, t.adam_epsilon, t.weight_decay},
        config_.liza ? config_.liza->mag.gate_lr_multiplier : 1);
  }

  void execute() {
    if (dry_run_) return report_plan();
    std::filesystem::create_directories(dir_->file("checkpoints"));
    dir_->write_config(config_);
    restore();
    write_run_json();
    std::signal(SIGINT, on_signal);
    std::signal(SIGTERM, on_signal);
    Metrics metrics(dir_->file("metrics.jsonl"), step_);
    if (step_ == 0 && !data_.eval.empty()) evaluate(metrics);
    const auto start = Clock::now();
    const int64_t first = step_;
    while (step_ < total_) {
      one_step(metrics, start, first);
      const auto& t = config_.training;
      const bool last = step_ == total_;
      if (!data_.eval.empty() && (last || (t.eval_steps > 0 && step_ % t.eval_steps == 0)))
        evaluate(metrics);
      if (last || caught_signal || (t.save_steps > 0 && step_ % t.save_steps == 0)) save();
      if (caught_signal) throw Interrupted{128 + int(caught_signal)};
    }
    finish(std::chrono::duration<double>(Clock::now() - start).count());
  }

 private:
  void add_adapter() {
    const std::string& from = config_.model.adapter_name_or_path;
    if (config_.liza) inject_liza(*model_, *config_.liza);
    if (from.empty()) return add_lora(*model_, config_.lora, uint64_t(config_.training.seed));
    const AdapterConfig adapter = read_adapter_config(from);
    config_.lora = adapter.lora;
    add_lora(*model_, adapter.lora, 0);
    if (adapter.liza && !config_.liza)
      throw UsageError("model.adapter_name_or_path '" + from +
                       "' was trained with a memory; add its "
                       "liza section to the configuration");
    load_adapter_weights(*model_, from);
  }

  void one_step(Metrics& metrics, Clock::time_point start, int64_t first) {
    const TrainingSection& t = config_.training;
    const auto step_start = Clock::now();
    if (config_.liza && config_.liza->mag.mode != "learned")
      set_mag_weight(*model_, mag_schedule(config_.liza->mag, step_));
    const auto batches = step_batches(config_, data_, *model_, step_);
    const StepResult r = forward_backward(*model_, batches, {uint64_t(t.seed), uint64_t(step_), 0});
    const double norm = optimizer_->grad_norm();
    const double lr = t.learning_rate * lr_factor(t.lr_scheduler_type, step_,
                                                  warmup_count(t.warmup_steps, total_), total_);
    update(r.loss, norm, lr);
    ++step_;
    const double seconds = std::chrono::duration<double>(Clock::now() - step_start).count();
    const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
    tokens_ += r.tokens;
    step_seconds_ += seconds;
    flops_ += step_flops(*model_, r);
    if (step_ % t.logging_steps != 0 && step_ != total_) return;
    const auto mu = mag_weights(*model_);
    Json row = {{"step", step_},
                {"epoch", double(step_) / double(steps_per_epoch(config_, data_))},
                {"loss", r.loss},
                {"learning_rate", lr},
                {"grad_norm", norm},
                {"target_tokens", r.targets},
                {"tokens_per_second", double(r.tokens) / seconds},
                {"step_seconds", seconds},
                {"peak_rss_gb", peak_rss_gb()}};
    if (!mu.empty()) {
      row["mag_weight"] = mean(mu);
      row["mag_weight_layers"] = mu;
    }
    metrics.write(row);
    show_progress({step_, total_, r.loss, lr, mu.empty() ? -1 : mean(mu),
                   double(r.tokens) / seconds,
                   elapsed / double(step_ - first) * double(total_ - step_)});
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
    optimizer_->step(lr, limit > 0 && norm > limit ? limit / (norm + 1e-6) : 1);
  }

  void evaluate(Metrics& metrics) {
    const LossScore score = evaluate_loss(*model_, data_.eval, kEvalTokens);
    if (step_ == 0) eval_loss_before_ = score.loss;
    eval_loss_ = score.loss;
    metrics.write(
        {{"step", step_}, {"eval_loss", score.loss}, {"target_tokens", score.num_target_tokens}});
    log_info("step " + std::to_string(step_) + ": eval loss " + std::to_string(score.loss));
  }

  AdapterConfig adapter_config() const {
    return {config_.lora, config_.liza, config_.model.name_or_path};
  }

  void save() {
    write_checkpoint(config_.training.output_dir, step_, config_.training.save_total_limit,
                     [&](const std::string& dir) {
                       write_adapter(*model_, adapter_config(), dir);
                       write_tensors(dir + "/optimizer.safetensors", optimizer_->state());
                       const Json state = {{"step", step_},
                                           {"optimizer_steps", optimizer_->steps_done()},
                                           {"eval_loss_before", eval_loss_before_}};
                       write_file_atomic(dir + "/trainer.json", state.dump(2) + "\n");
                     });
  }

  void restore() {
    const std::string& from = dir_->resume_from();
    if (from.empty()) return;
    load_adapter_weights(*model_, from);
    read_tensors(from + "/optimizer.safetensors", optimizer_->state());
    const std::string path = from + "/trainer.json";
    const Json state = read_json_file(path);
    step_ = json_int(state, "step", path);
    optimizer_->set_steps_done(json_int(state, "optimizer_steps", path));
    eval_loss_before_ = json_number(state, "eval_loss_before", path, 0.0);
    log_info("resumed from " + from);
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
                      {"total_steps", total_}};
    write_file_atomic(dir_->file("run.json"), run.dump(2) + "\n");
  }

  void finish(double seconds) {
    const std::string adapter = dir_->file("adapter");
    std::filesystem::create_directories(adapter);
    write_adapter(*model_, adapter_config(), adapter);
    Json results = {
        {"adapter", adapter}, {"train_seconds", seconds}, {"peak_rss_gb", peak_rss_gb()}};
    if (!data_.eval.empty()) {
      results["eval_loss"] = eval_loss_;
      results["eval_loss_before"] = eval_loss_before_;
    }
    if (tokens_ > 0) {
      const ModelConfig& c = model_->config;
      const double peak = measure_gemm_gflops(
          std::max<int64_t>(1, tokens_ / total_), c.hidden_size, c.intermediate_size,
          model_->head().weight.scalar_type(), model_->device());
      results["tokens_per_second"] = double(tokens_) / step_seconds_;
      results["gemm_peak_gflops"] = peak;
      results["gemm_fraction"] = flops_ / step_seconds_ / 1e9 / peak;
    }
    write_file_atomic(dir_->file("results.json"), results.dump(2) + "\n");
    log_info("done: adapter in " + adapter);
  }

  void report_plan() const {
    int64_t tokens = 0;
    for (const Example& e : data_.train) tokens += int64_t(e.ids.size());
    std::printf(
        "configuration is valid: %ld steps, %zu training sequences of %ld tokens in all, %zu "
        "eval examples, %s on %s\n",
        long(total_), data_.items.size(), long(tokens), data_.eval.size(),
        config_.model.dtype.c_str(), config_.model.device.c_str());
  }

  Config config_;
  bool dry_run_;
  std::unique_ptr<RunDir> dir_;
  std::unique_ptr<Tokenizer> tokenizer_;
  Dataset data_;
  std::unique_ptr<CausalLM> model_;
  std::unique_ptr<AdamW> optimizer_;
  int64_t step_ = 0, total_ = 0, tokens_ = 0;
  int skipped_ = 0;
  double step_seconds_ = 0, flops_ = 0, eval_loss_ = 0, eval_loss_before_ = 0;
};

}  // namespace

void train(Config config, const TrainFlags& flags) {
  Run(std::move(config), flags).execute();
}

}  // namespace tptt
