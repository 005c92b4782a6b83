#include "trainer/update.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "models/formats/error.h"
#include "models/lora.h"
#include "tests/temp_dir.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/train_step.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A run that has made one update.
struct Begun {
  TempDir dir;
  TrainingSetup setup;

  Begun() : setup(make()) {
    const StepResult r = compute_step(setup, 0);
    update(setup, r.loss, setup.optimizer->grad_norm(), 1e-2);
  }

  TrainingSetup make() {
    write_tiny_model(dir.path);
    const std::string config = write_tiny_config(
        dir.path, 12, "liza: {operator_mode: delta_rule, mag: {mode: learned}}\n");
    return set_up_training(load_config(config, {"training.gradient_accumulation_steps=3"}), {});
  }

  std::vector<at::Tensor> weights_and_moments() {
    std::vector<at::Tensor> all;
    for (const Trainable& p : trainables(*setup.model)) all.push_back(p.tensor.detach().clone());
    for (const auto& [name, moment] : setup.optimizer->state()) all.push_back(moment.clone());
    return all;
  }
};

bool same(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (!at::equal(a[i], b[i])) return false;
  return a.size() == b.size();
}

/// A step in whose `number`th backward one element of one parameter's gradient becomes `value`.
void step_with(TrainingSetup& setup, int number, double value) {
  int backward = 0;
  const auto parameters = trainables(*setup.model);
  const at::Tensor& victim = parameters[parameters.size() / 2].tensor;
  const unsigned hook = victim.register_hook([&](at::Tensor grad) {
    at::Tensor changed = grad.clone(at::MemoryFormat::Contiguous);
    if (backward++ == number) changed.view(-1)[0] = value;
    return changed;
  });
  const StepResult r = compute_step(setup, 1);
  victim.remove_hook(hook);
  REQUIRE(backward == 3);
  update(setup, r.loss, setup.optimizer->grad_norm(), 1e-2);
}

}  // namespace

TEST_CASE("what is not finite in any micro-batch reaches neither weights nor moments") {
  Begun run;
  const auto before = run.weights_and_moments();
  for (int number = 0; number < 3; ++number)
    for (const double value : {std::nan(""), kInfinity, -kInfinity}) {
      run.setup.state.skipped_in_a_row = 0;
      step_with(run.setup, number, value);
      CHECK(same(run.weights_and_moments(), before));
      CHECK(run.setup.state.skipped_in_a_row == 1);
      CHECK(run.setup.optimizer->steps_done() == 1);
      for (const Trainable& p : trainables(*run.setup.model))
        CHECK_FALSE(p.tensor.grad().defined());
    }
  step_with(run.setup, -1, 0);  // a sound one
  CHECK_FALSE(same(run.weights_and_moments(), before));
  CHECK(run.setup.state.skipped_in_a_row == 0);
}

TEST_CASE("a loss that is not finite skips the step, and the fifth in a row ends the run") {
  Begun run;
  const auto before = run.weights_and_moments();
  for (const double loss : {std::nan(""), kInfinity, std::nan(""), -kInfinity}) {
    compute_step(run.setup, 1);
    update(run.setup, loss, 1, 1e-2);
    CHECK(same(run.weights_and_moments(), before));
  }
  CHECK_THROWS_WITH(update(run.setup, std::nan(""), 1, 1e-2), Contains("5 steps in a row"));
  CHECK(same(run.weights_and_moments(), before));
}
