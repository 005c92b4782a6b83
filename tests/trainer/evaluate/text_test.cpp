#include "trainer/evaluate/text.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/formats/json.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"
#include "tests/temp_dir.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/evaluate/targets.h"

using namespace tptt;

TEST_CASE("rolling windows score every token once, each behind what the stride leaves it") {
  const int64_t count = 24;
  const auto [length, stride] =
      GENERATE(std::pair(8, 8), std::pair(8, 3), std::pair(8, 1), std::pair(23, 23),
               std::pair(24, 5), std::pair(2, 2), std::pair(1, 1), std::pair(100, 1));
  int64_t scored = 1;
  for (const TextWindow& window : rolling_windows(count, length, stride)) {
    CHECK(window.first == scored);
    CHECK(window.end - 1 - window.begin <= length);
    CHECK(window.end == (scored == 1 ? std::min<int64_t>(count, length + 1)
                                     : std::min<int64_t>(count, scored + stride)));
    CHECK(window.begin == std::max<int64_t>(0, window.end - 1 - length));
    scored = window.end;
  }
  CHECK(scored == count);
}

TEST_CASE("windows that see the whole text before a token give its own score") {
  const auto model = load_tiny("gqa_bias_bf16_sharded");
  TokenIds ids;
  for (int i = 0; i < 30; ++i) ids.push_back(int32_t(i * 7 % model->config.vocab_size));
  double sum = 0;
  std::vector<int64_t> all(ids.size() - 1);
  std::iota(all.begin(), all.end(), 1);
  for (const TokenScore& token : score_tokens(*model, ids, all, Branch::mixed))
    sum += token.log_prob;
  const auto scored = [&](int64_t length, int64_t stride) {
    return score_text(*model, ids, rolling_windows(int64_t(ids.size()), length, stride), 40,
                      Branch::mixed);
  };
  CHECK(scored(29, 29) == Approx(sum).epsilon(1e-5));
  CHECK(scored(100, 3) == Approx(sum).epsilon(1e-5));
  // Each window a text of its own: here two tokens before the one that is scored.
  double near = 0;
  for (size_t t = 1; t < ids.size(); ++t) {
    const auto begin = ids.begin() + long(t > 2 ? t - 2 : 0);
    const TokenIds part(begin, ids.begin() + long(t) + 1);
    near += score_tokens(*model, part, {int64_t(part.size()) - 1}, Branch::mixed)[0].log_prob;
  }
  CHECK(scored(2, 1) == Approx(near).epsilon(1e-5));
}

TEST_CASE("a text's perplexity is told by token, word and byte") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string at = dir.path.string();
  write_text(dir.path / "text.txt", "Zwölf Boxkämpfer jagen\n\nViktor quer.\n");
  const std::string eval = "eval " + at + "/model --task perplexity --max-length 8 --json --data ";
  const auto score = [&](const std::string& options) {
    const Outcome outcome = run_tptt(eval + at + "/text.txt" + options);
    INFO(outcome.text);
    REQUIRE(outcome.code == 0);
    return Json::parse(outcome.text.substr(outcome.text.find('{')));
  };
  const Json rolling = score(""), sliding = score(" --stride 1");
  CHECK(rolling["words"] == 5);
  CHECK(rolling["bytes"] == 39);
  CHECK(sliding["target_tokens"] == rolling["target_tokens"]);
  CHECK(sliding["windows"] > rolling["windows"]);
  const double sum = rolling["loss"].get<double>() * rolling["target_tokens"].get<double>();
  CHECK(std::log(rolling["word_perplexity"].get<double>()) == Approx(sum / 5));
  CHECK(std::log(rolling["byte_perplexity"].get<double>()) == Approx(sum / 39));
  CHECK(rolling["bits_per_byte"].get<double>() == Approx(sum / 39 / std::log(2.0)));
  write_tiny_config(dir.path);  // and its rows
  const auto refused = [&](const std::string& options) {
    const Outcome outcome = run_tptt(eval + at + options);
    CHECK(outcome.code == 2);
    return outcome.text;
  };
  CHECK(refused("/text.txt --stride 9").starts_with("error: --stride 9: expected at most"));
  CHECK(refused("/rows.jsonl --stride 4").starts_with("error: --stride is for"));
}
