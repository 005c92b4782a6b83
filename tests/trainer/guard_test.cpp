#include "trainer/guard.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include "models/formats/error.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"

using namespace tptt;
using Catch::Matchers::Contains;

// peft #137, #1142; transformers #26221: an adapter that learned nothing was called a success.
TEST_CASE("an adapter that its first update does not change is an error") {
  const auto model = load_tiny("tied");
  add_random_lora(*model);
  const auto parameters = trainables(*model);
  const FirstUpdate first(parameters);
  CHECK_THROWS_WITH(first.check(1e-3), Contains("no gradient reaches it"));
  c10::AutoGradMode no_grad(false);
  at::Tensor(parameters.back().tensor).add_(1e-3);
  CHECK_NOTHROW(first.check(1e-3));
}

TEST_CASE("a first loss far above knowing nothing is warned about") {
  CHECK_FALSE(first_loss_warning(10.9, 49152).has_value());  // ln(49152) = 10.8
  CHECK_THAT(first_loss_warning(44.1, 49152).value(), Contains("44.1") && Contains("10.8"));
  CHECK(first_loss_warning(13.0, 49152).has_value());
}

// mlabonne/llm-course #33, unsloth #416, #419: models that never stop.
TEST_CASE("data that never trains the end token is warned about") {
  Example open{{1, 2, 3}, {false, true, true}}, masked{{1, 2, 0}, {false, true, false}},
      closed{{1, 2, 0}, {false, true, true}};
  CHECK(eos_warning({open, masked}, {0}).has_value());
  CHECK_FALSE(eos_warning({open, closed}, {0}).has_value());
  CHECK_FALSE(eos_warning({open}, {7, 3}).has_value());
  CHECK_FALSE(eos_warning({open}, {}).has_value());
}
