#include "trainer/forecast.h"

#include <algorithm>
#include <set>

#include "models/lora.h"
#include "trainer/block_cache.h"
#include "trainer/loss.h"
#include "trainer/runtime.h"

namespace tptt {
namespace {

constexpr double kProgram = 40e6;  // bytes that code and libraries add while a step runs

// The input of products that share it, which the first adapter among them keeps.
double kept_input(const std::vector<const Linear*>& group) {
  const bool kept = std::any_of(group.begin(), group.end(),
                                [](const Linear* linear) { return linear->adapted(); });
  return kept ? double(group.front()->in) * group.front()->share : 0;
}

// Linears one after another that take one input.
std::vector<std::vector<const Linear*>> groups_of(const std::vector<const Linear*>& linears) {
  std::vector<std::vector<const Linear*>> groups;
  for (const Linear* linear : linears) {
    const bool shares = !groups.empty() && groups.back().front()->in == linear->in;
    if (!shares) groups.emplace_back();
    groups.back().push_back(linear);
  }
  return groups;
}

// Numbers a token: of the base's type, and of float32.
struct Numbers {
  double own = 0, wide = 0;
};

// What all layers keep for the backward: the outputs of their products (those that become the
// residual stream as that, for the norms), inputs that adapters need, and the two branches.
Numbers kept_numbers(CausalLM& model) {
  Numbers n;
  std::vector<const Linear*> rest;
  std::set<const Linear*> of_attention{&model.head()};
  for (Attention* a : model.attentions()) {
    const double queries = double(a->config.num_attention_heads * a->config.head_dim);
    const double keys = double(a->config.num_key_value_heads * a->config.head_dim);
    n.own += kept_input({&a->o_proj}) > 0 || a->liza ? queries : 0;  // softmax's output
    std::vector<const Linear*> projections;
    for (const Linear* linear : a->linears()) {
      of_attention.insert(linear);
      if (linear != &a->o_proj) projections.push_back(linear);
    }
    n.own += kept_input(projections);
    if (!a->liza) continue;
    n.own += queries + 2 * keys;        // as they are before they are rotated
    n.own += kept_input({&a->o_proj});  // the mix of the branches
    n.wide += queries;                  // the memory's branch
  }
  for (const Linear* linear : model.linears()) {
    if (linear != &model.head()) n.own += double(linear->out) * linear->share;
    if (!of_attention.contains(linear)) rest.push_back(linear);
  }
  for (const auto& group : groups_of(rest)) n.own += kept_input(group);
  return n;
}

// What a layer's backward takes for a while: gradients of its widest product's outputs and inputs.
double passing_numbers(CausalLM& model) {
  double most = 0;
  for (const Linear* linear : model.linears())
    if (linear != &model.head())
      most = std::max(most, (2.0 * double(linear->out) + double(linear->in)) * linear->share);
  return most;
}

}  // namespace

double step_bytes(CausalLM& model, int64_t tokens, bool gradient_checkpointing) {
  const double size = double(c10::elementSize(model.dtype()));
  const Numbers kept = kept_numbers(model);
  const double layers = double(model.config.num_hidden_layers);
  const double stream = double(model.config.hidden_size);
  double a_token = kept.own * size + kept.wide * sizeof(float);
  if (gradient_checkpointing) a_token = a_token / layers + stream * layers * size;
  const double passing = passing_numbers(model) * size;
  const double rows = double(loss_rows(tokens));
  const double logits = rows * double(model.head().out) * size;
  const double loss = logits + double(tokens) * stream * size;
  double learned = 0;
  for (const Trainable& p : trainables(model)) learned += double(p.tensor.numel());
  // The head's logits are there before any layer's gradients; learned: gradient and two moments.
  return double(tokens) * a_token + std::max(double(tokens) * passing, loss) +
         3 * learned * sizeof(float);
}

double waiting_bytes(const LargestStep& largest, double peak) {
  return largest.varies ? double(slack_bytes(size_t(peak))) : 0;
}

double memory_forecast(const TrainingSetup& setup) {
  const LargestStep largest = largest_step(setup.config, setup.data);
  const double step = step_bytes(*setup.model, largest.micro_batch,
                                 setup.config.training.gradient_checkpointing == "true");
  const double waiting = waiting_bytes(largest, double(block_cache_use().in_use) + step);
  return std::max(peak_rss_gb(), rss_gb() + (step + waiting + kProgram) / 1e9);
}

}  // namespace tptt
