#include "trainer/bench.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "models/formats/json.h"
#include "trainer/forecast.h"
#include "trainer/gemm_peak.h"
#include "trainer/run_head.h"
#include "trainer/runtime.h"
#include "trainer/train_step.h"

namespace tptt {
namespace {

using Clock = std::chrono::steady_clock;

struct Measured {
  StepTimes parts;
  double optimiser = 0, step = 0;  // seconds
  StepResult result;
};

Measured one_step(TrainingSetup& setup, int64_t step) {
  Measured m;
  const auto start = Clock::now();
  m.result = compute_step(setup, step, {.times = &m.parts});
  const auto computed = Clock::now();
  setup.optimizer->grad_norm();
  setup.optimizer->step(setup.config.training.learning_rate, 1);
  wait_for(setup.model->device());
  const auto end = Clock::now();
  m.optimiser = std::chrono::duration<double>(end - computed).count();
  m.step = std::chrono::duration<double>(end - start).count();
  return m;
}

template <class F>
double median(const std::vector<Measured>& all, const F& value) {
  std::vector<double> values;
  for (const Measured& m : all) values.push_back(value(m));
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Json numbers_of(TrainingSetup& setup, const std::vector<Measured>& all) {
  const auto tokens = median(all, [](const Measured& m) { return double(m.result.tokens); });
  const double gflops = median(all, [&](const Measured& m) {
    return step_flops(*setup.model, m.result) / 1e9 / (m.parts.forward + m.parts.backward);
  });
  const double seconds = median(all, [](const Measured& m) { return m.step; });
  const auto targets = median(all, [](const Measured& m) { return double(m.result.targets); });
  const double peak = gemm_peak_gflops(*setup.model, int64_t(tokens), int64_t(targets));
  return {{"data_seconds", median(all, [](const Measured& m) { return m.parts.data; })},
          {"forward_seconds", median(all, [](const Measured& m) { return m.parts.forward; })},
          {"backward_seconds", median(all, [](const Measured& m) { return m.parts.backward; })},
          {"optimiser_seconds", median(all, [](const Measured& m) { return m.optimiser; })},
          {"step_seconds", seconds},
          {"tokens", tokens},
          {"tokens_per_second", tokens / seconds},
          {"gemm_gflops", gflops},
          {"gemm_peak_gflops", peak},
          {"gemm_fraction", gflops / peak}};
}

void print(const Json& n, const RunHead& head, const BenchFlags& flags) {
  std::printf("%s, %s, %s on %s, %ld threads; medians of %ld steps of about %.0f tokens\n",
              head.model.c_str(), head.method.c_str(), head.dtype.c_str(), head.device.c_str(),
              long(head.threads), long(flags.steps), n["tokens"].get<double>());
  const double step = n["step_seconds"];
  for (const char* part : {"data", "forward", "backward", "optimiser", "step"}) {
    const double seconds = n[std::string(part) + "_seconds"];
    std::printf("  %-10s %8.4f s %5.1f%%\n", part, seconds, 100 * seconds / step);
  }
  std::printf("  tokens/s   %8.0f\n", n["tokens_per_second"].get<double>());
  std::printf("  products   %8.0f of %.0f GFLOP/s that the same shapes reach alone (%.0f%%)\n",
              n["gemm_gflops"].get<double>(), n["gemm_peak_gflops"].get<double>(),
              100 * n["gemm_fraction"].get<double>());
  std::printf("  memory     %8.2f GB at most, forecast %.2f GB\n", n["peak_rss_gb"].get<double>(),
              n["forecast_gb"].get<double>());
}

}  // namespace

void bench(Config config, const BenchFlags& flags) {
  TrainFlags train;
  train.dry_run = true;                              // no run directory
  if (config.liza) config.liza->transfer_steps = 0;  // LoRA's steps are what is measured
  TrainingSetup setup = set_up_training(std::move(config), train);
  const double forecast = memory_forecast(setup);
  one_step(setup, 0);  // what is only made once
  std::vector<Measured> all;
  for (int64_t step = 1; step <= flags.steps; ++step)
    all.push_back(one_step(setup, step % setup.total_steps));
  const double peak_memory = peak_rss_gb();  // before the products below
  Json numbers = numbers_of(setup, all);
  numbers["peak_rss_gb"] = peak_memory;
  numbers["forecast_gb"] = forecast;
  if (flags.json) {
    std::printf("%s\n", numbers.dump(2).c_str());
  } else {
    print(numbers, describe_run(setup), flags);
  }
}

}  // namespace tptt
