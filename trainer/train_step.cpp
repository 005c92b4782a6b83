#include "trainer/train_step.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <chrono>

#include "trainer/loss.h"
#include "trainer/runtime.h"
#include "trainer/schedule.h"

namespace tptt {
namespace {

using Clock = std::chrono::steady_clock;

// Adds up what lies between laps. Without `on` it neither waits nor reads the clock.
struct Watch {
  Watch(at::Device device, bool on) : device(device) {
    if (on) start = Clock::now();
  }

  void lap(double& seconds) {
    wait_for(device);
    const auto now = Clock::now();
    seconds += std::chrono::duration<double>(now - start).count();
    start = now;
  }

  at::Device device;
  Clock::time_point start;
};

}  // namespace

StepResult compute_step(TrainingSetup& setup, int64_t step, const StepOptions& wanted) {
  CausalLM& model = *setup.model;
  const TrainingSection& t = setup.config.training;
  StepTimes* times = wanted.times;
  Watch watch(model.device(), times != nullptr);
  const StepBatches all = step_batches(setup.config, setup.data, model.config.vocab_size,
                                       model.device(), step, setup.share);
  StepResult result{0, all.tokens, all.targets,
                    step < num_transfer_steps(setup.config, setup.total_steps)};
  if (times) watch.lap(times->data);
  ForwardOptions options;
  options.neftune_noise_alpha = t.neftune_noise_alpha;
  options.gradient_checkpointing = t.gradient_checkpointing == "true";
  options.ledger = wanted.ledger;
  GradientSync* sync = setup.gradient_sync.get();
  if (sync) sync->begin();
  at::Tensor total = at::zeros({}, at::TensorOptions(at::kDouble).device(model.device()));
  for (size_t i = 0; i < all.batches.size(); ++i) {
    if (sync && i + 1 == all.batches.size()) sync->expect_last();
    if (result.transfer) {
      const double share = double(all.batches[i].ids.size(0)) / double(all.tokens);
      total.add_(transfer_loss(model, all.batches[i], share).to(at::kDouble));
      continue;
    }
    options.dropout = DropoutKey{uint64_t(t.seed), uint64_t(step), all.numbers[i]};
    const at::Tensor loss = batch_loss(model, all.batches[i], options) / double(all.targets);
    if (times) watch.lap(times->forward);
    options.ledger = nullptr;  // the first micro-batch stands for all
    loss.backward();
    total.add_(loss.detach().to(at::kDouble));
    if (times) watch.lap(times->backward);
  }
  result.loss = total.item<double>();  // one wait a step
  result.stop = wanted.signal && *wanted.signal != 0;
  if (!sync) return result;
  const auto sums = sync->finish({result.loss, double(result.stop)});
  result.loss = sums[0];
  result.stop = sums[1] > 0;
  return result;
}

double step_flops(CausalLM& model, const StepResult& r) {
  double layers = 0;
  for (const Linear* linear : model.linears())
    if (linear != &model.head()) layers += double(linear->in * linear->out) * linear->share;
  if (r.transfer) return 2 * layers * double(r.tokens);
  const Linear& head = model.head();
  return 4 * layers * double(r.tokens) + 4 * double(head.in * head.out) * double(r.targets);
}

}  // namespace tptt
