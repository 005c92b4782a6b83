#include "models/liza/liza_attention.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/randn.h>

#include "models/liza/gates.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"

using namespace tptt;

namespace {

struct Raw {
  at::Tensor q, k, v;  // [N, heads, D]
  MemoryWeights weights = {};
};

std::vector<at::Tensor*> tensors_of(Raw& raw) {
  MemoryWeights& w = raw.weights;
  std::vector<at::Tensor*> all{&raw.q, &raw.k, &raw.v};
  if (w.q_map.defined()) all.insert(all.end(), {&w.q_map, &w.k_map, &w.beta_weight, &w.beta_bias});
  return all;
}

Raw random_raw(int64_t tokens, at::ScalarType type) {
  const auto options = at::TensorOptions().dtype(type);
  return {at::randn({tokens, 4, 6}, options).requires_grad_(true),
          at::randn({tokens, 2, 6}, options).requires_grad_(true),
          at::randn({tokens, 2, 6}, options).requires_grad_(true)};
}

MemoryWeights random_weights(at::ScalarType type) {
  MemoryWeights w{at::randn({4, 6, 6}, type), at::randn({2, 6, 6}, type), at::randn({2, 6}, type),
                  at::randn({2}, type)};
  for (at::Tensor* x : {&w.q_map, &w.k_map, &w.beta_weight, &w.beta_bias}) x->requires_grad_(true);
  return w;
}

// Each sequence alone, by the definition.
at::Tensor reference(const LizaConfig& config, const Raw& raw,
                     const std::vector<int64_t>& lengths) {
  const OperatorMode& mode = find_operator_mode(config.operator_mode);
  std::vector<at::Tensor> rows;
  int64_t start = 0;
  for (const int64_t length : lengths) {
    const auto one = [&](const at::Tensor& x) {
      return x.narrow(0, start, length).transpose(0, 1).unsqueeze(0);
    };
    const at::Tensor q = one(raw.q), k = one(raw.k), v = one(raw.v);
    const at::Tensor o =
        config.implementation == "tptt"
            ? tptt_operator(tptt_inputs(q, k, v, mode, at::kDouble), {},
                            tptt_chunk_size(length, config.max_chunk_size))
                  .o
            : recurrent_delta_rule(exact_inputs(q, k, v, mode, raw.weights, {}, at::kDouble), {}).o;
    rows.push_back(o[0].transpose(0, 1));
    start += length;
  }
  return at::cat(rows);
}

}  // namespace

TEST_CASE("packed sequences of all modes: outputs and gradients of the raw projections") {
  at::manual_seed(5);
  const auto mode = GENERATE(from_range(operator_modes()));
  const auto implementation = GENERATE(as<std::string>(), "exact", "tptt");
  const bool single = GENERATE(false, true);
  INFO(mode << " " << implementation << " float32 " << single);
  const bool learned = mode == "learned_delta_rule";
  if (learned && implementation == "tptt") return;
  LizaConfig config = default_liza(implementation);
  config.operator_mode = mode;
  config.max_chunk_size = 16;
  config.linear_precision = single ? "float32" : "float64";
  const std::vector<int64_t> lengths{1, 70, 64, 67, 3, 130};
  const bool padding = implementation == "exact";
  const SegmentLayout layout = make_layout(lengths, at::kCPU, padding);
  Raw raw = random_raw(layout.num_tokens, at::kDouble);
  if (learned) raw.weights = random_weights(at::kDouble);
  const at::Tensor weight = at::randn({layout.num_tokens, 4, 6}, raw.q.options());
  const at::Tensor expected = reference(config, raw, lengths);
  (expected * weight).sum().backward();
  Raw again = raw;
  for (at::Tensor* x : tensors_of(again))
    *x = x->detach().to(single ? at::kFloat : at::kDouble).requires_grad_(true);
  const at::Tensor got =
      liza_branch(config, again.weights, again.q, again.k, again.v, layout, {}, nullptr);
  (got * weight).sum().backward();
  const double bound = single ? 1e-5 : 1e-10;
  CHECK(relative(got, expected) < bound);
  const auto mine = tensors_of(again), theirs = tensors_of(raw);
  for (size_t i = 0; i < mine.size(); ++i)
    CHECK(relative(mine[i]->grad(), theirs[i]->grad()) < bound);
}

TEST_CASE("only the projections that need one get a gradient") {
  const SegmentLayout layout = make_layout({20}, at::kCPU);
  Raw raw = random_raw(20, at::kFloat);
  raw.k = raw.k.detach();
  liza_branch(LizaConfig(), {}, raw.q, raw.k, raw.v, layout, {}, nullptr).sum().backward();
  CHECK(raw.q.grad().defined());
  CHECK(raw.v.grad().defined());
  CHECK_FALSE(raw.k.grad().defined());
}
