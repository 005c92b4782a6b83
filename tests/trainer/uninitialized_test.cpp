#include <ATen/Context.h>
#include <ATen/ops/equal.h>

#include <catch2/catch.hpp>

#include "models/lora.h"
#include "tests/temp_dir.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/evaluate/sample.h"
#include "trainer/generate.h"
#include "trainer/train_step.h"

using namespace tptt;

namespace {

/// What is not set is NaN, or the largest number of its type.
struct FillWithNan {
  explicit FillWithNan(bool on) { set(on); }
  ~FillWithNan() { set(false); }
  static void set(bool on) {
    at::globalContext().setDeterministicAlgorithms(on, /*warn_only=*/on);
    at::globalContext().setDeterministicFillUninitializedMemory(on);
  }
};

struct Computed {
  double loss, eval_loss;
  std::vector<at::Tensor> gradients;
  std::vector<TokenIds> answers;
};

Computed compute(const std::string& config, const std::vector<std::string>& overrides, bool fill) {
  const FillWithNan nan(fill);
  TrainingSetup setup = set_up_training(load_config(config, overrides), {});
  Computed c;
  c.loss = compute_step(setup, 0).loss;
  for (const Trainable& p : trainables(*setup.model))
    c.gradients.push_back(p.tensor.grad().defined() ? p.tensor.grad().clone() : at::Tensor());
  c.eval_loss = evaluate_loss(*setup.model, setup.data.eval, 64).loss;
  c.answers = generate(*setup.model, {{5, 6, 7, 8}, {9, 10}}, {.max_new_tokens = 12});
  return c;
}

}  // namespace

TEST_CASE("memory that nobody has set is never read") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string config = write_tiny_config(dir.path);
  const std::string mode = GENERATE("none", "{operator_mode: delta_rule}",
                                    "{operator_mode: gated_delta_rule, mag: {mode: learned}}",
                                    "{operator_mode: delta_rule, max_self_attn_length: 8}");
  const std::string recompute = GENERATE("true", "false");
  CAPTURE(mode, recompute);
  const std::vector<std::string> overrides = {"liza=" + mode,
                                              "training.gradient_checkpointing=" + recompute,
                                              "training.output_dir=" + (dir.path / "run").string()};
  const Computed a = compute(config, overrides, false), b = compute(config, overrides, true);
  CHECK(a.loss == b.loss);
  CHECK(a.eval_loss == b.eval_loss);
  CHECK(a.answers == b.answers);
  REQUIRE(a.gradients.size() == b.gradients.size());
  for (size_t i = 0; i < a.gradients.size(); ++i) {
    REQUIRE(a.gradients[i].defined() == b.gradients[i].defined());
    if (a.gradients[i].defined()) CHECK(at::equal(a.gradients[i], b.gradients[i]));
  }
}
