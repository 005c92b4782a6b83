#include "trainer/train_step.h"

#include <ATen/TensorOperators.h>

#include "trainer/loss.h"

namespace tptt {

StepResult compute_step(TrainingSetup& setup, int64_t step, std::vector<LayerLedger>* ledger) {
  CausalLM& model = *setup.model;
  const TrainingSection& t = setup.config.training;
  const auto batches =
      step_batches(setup.config, setup.data, model.config.vocab_size, model.device(), step);
  StepResult result;
  for (const Batch& batch : batches) {
    result.targets += batch.targets.numel();
    result.tokens += batch.ids.numel();
  }
  ForwardOptions options;
  options.neftune_noise_alpha = t.neftune_noise_alpha;
  options.gradient_checkpointing = t.gradient_checkpointing == "true";
  options.ledger = ledger;
  for (size_t i = 0; i < batches.size(); ++i) {
    options.dropout = DropoutKey{uint64_t(t.seed), uint64_t(step), i};
    const at::Tensor loss = batch_loss(model, batches[i], options) / double(result.targets);
    options.ledger = nullptr;  // the first micro-batch stands for all
    loss.backward();
    result.loss += loss.item<double>();
  }
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
