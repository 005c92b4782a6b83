#include "trainer/train_step.h"

#include <ATen/TensorOperators.h>

#include <chrono>

#include "trainer/loss.h"
#include "trainer/runtime.h"

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

StepResult compute_step(TrainingSetup& setup, int64_t step, std::vector<LayerLedger>* ledger,
                        StepTimes* times) {
  CausalLM& model = *setup.model;
  const TrainingSection& t = setup.config.training;
  Watch watch(model.device(), times != nullptr);
  const auto batches =
      step_batches(setup.config, setup.data, model.config.vocab_size, model.device(), step);
  StepResult result;
  for (const Batch& batch : batches) {
    result.targets += batch.targets.numel();
    result.tokens += batch.ids.numel();
  }
  if (times) watch.lap(times->data);
  ForwardOptions options;
  options.neftune_noise_alpha = t.neftune_noise_alpha;
  options.gradient_checkpointing = t.gradient_checkpointing == "true";
  options.ledger = ledger;
  at::Tensor total;  // on the device: one wait a step
  for (size_t i = 0; i < batches.size(); ++i) {
    options.dropout = DropoutKey{uint64_t(t.seed), uint64_t(step), i};
    const at::Tensor loss = batch_loss(model, batches[i], options) / double(result.targets);
    if (times) watch.lap(times->forward);
    options.ledger = nullptr;  // the first micro-batch stands for all
    loss.backward();
    const at::Tensor part = loss.detach().to(at::kDouble);
    total = total.defined() ? total + part : part;
    if (times) watch.lap(times->backward);
  }
  result.loss = total.item<double>();
  return result;
}

double step_flops(CausalLM& model, const StepResult& r) {
  double layers = 0;
  for (const Linear* linear : model.linears())
    if (linear != &model.head()) layers += double(linear->in * linear->out) * linear->share;
  const Linear& head = model.head();
  return 4 * layers * double(r.tokens) + 4 * double(head.in * head.out) * double(r.targets);
}

}  // namespace tptt
