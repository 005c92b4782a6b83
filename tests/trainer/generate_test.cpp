#include "trainer/generate.h"

#include <ATen/core/Tensor.h>

#include "tests/catch.h"
#include "tests/models/tiny_model.h"

using namespace tptt;

TEST_CASE("greedy continuations of every family are Transformers'", "[golden]") {
  for (const std::string& dir : golden_models()) {
    INFO(dir);
    const Golden golden = read_golden_file(dir);
    const auto model = load_dir(dir);
    TokenIds prompt;
    for (int64_t t = 0; t < 12; ++t) prompt.push_back(int32_t(golden.ids[t].item<int64_t>()));
    GenerateOptions options;
    options.max_new_tokens = int64_t(golden.greedy.size());
    CHECK(generate(*model, {prompt}, options)[0] ==
          TokenIds(golden.greedy.begin(), golden.greedy.end()));
  }
}
