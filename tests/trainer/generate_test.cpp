#include "trainer/generate.h"

#include <ATen/core/Tensor.h>

#include <map>

#include "models/formats/error.h"
#include "models/liza/inject.h"
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

TEST_CASE("texts written together are those written alone, wherever each ends") {
  // GPT-2 has 64 positions here, which the longer prompts reach; a memory is part of the cache.
  auto model = load_dir(golden_dir() + "/gpt2/plain");
  inject_liza(*model, {});
  std::vector<TokenIds> prompts;
  for (const int length : {1, 60, 20, 63, 64, 40}) {
    TokenIds prompt;
    for (int t = 0; t < length; ++t) prompt.push_back(int32_t((t * 7 + length) % 48));
    prompts.push_back(prompt);
  }
  for (const double temperature : {0.0, 1.0}) {
    GenerateOptions options;
    options.max_new_tokens = 30;
    options.temperature = temperature;
    std::map<size_t, TokenIds> heard;
    const auto together =
        generate(*model, prompts, options, [&](size_t s, int32_t id) { heard[s].push_back(id); });
    for (size_t i = 0; i < prompts.size(); ++i) {
      CHECK(together[i] == heard[i]);
      CHECK(together[i].size() == std::min<size_t>(30, 65 - prompts[i].size()));
      if (temperature == 0) CHECK(together[i] == generate(*model, {prompts[i]}, options)[0]);
    }
  }
}

TEST_CASE("a token the model does not have is refused before it is looked up") {
  const auto model = load_tiny("tied");
  const int32_t beyond = int32_t(model->config.vocab_size);
  CHECK_THROWS_WITH(generate(*model, {{1, beyond}}, {}),
                    Catch::Matchers::Contains("the prompt has token " + std::to_string(beyond)));
}
