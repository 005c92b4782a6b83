#include "trainer/evaluate/recall_tasks.h"

#include <catch2/catch.hpp>

#include "models/formats/error.h"
#include "models/formats/model_files.h"

using namespace tptt;

namespace {

std::unique_ptr<Tokenizer> gpt2() {
  return load_tokenizer(find_model(TPTT_SOURCE_DIR "/tests/golden/tokenizers/gpt2"));
}

std::string answer_text(const Tokenizer& tokenizer, const RecallItem& item, size_t i) {
  const auto [begin, end] = item.answers[i];
  return tokenizer.decode({item.ids.begin() + begin, item.ids.begin() + end});
}

TokenIds some_text(const Tokenizer& tokenizer) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "The day was long and the road was wet. ";
  return tokenizer.encode(text);
}

}  // namespace

TEST_CASE("a needle is in the text at its depth, its number asked at the end") {
  const auto tokenizer = gpt2();
  const TokenIds text = some_text(*tokenizer);
  for (const double depth : {0.0, 0.5, 1.0}) {
    const RecallItem item = make_needle(*tokenizer, text, 400, depth, 1, 2);
    CHECK(item.ids.size() == 400);
    REQUIRE(item.answers.size() == 1);
    CHECK(item.answers[0].second == 400);
    const std::string all = tokenizer->decode(item.ids), number = answer_text(*tokenizer, item, 0);
    CHECK(number.size() == 6);  // a blank and five digits
    const size_t first = all.find(number);
    CHECK(first != all.rfind(number));
    const size_t needle = all.find("The secret number of");
    CHECK(double(needle) / double(all.size()) == Approx(depth * 0.9).margin(0.08));
  }
  CHECK(make_needle(*tokenizer, text, 400, 0.5, 1, 2).ids ==
        make_needle(*tokenizer, text, 400, 0.5, 1, 2).ids);
  CHECK(make_needle(*tokenizer, text, 400, 0.5, 1, 3).ids !=
        make_needle(*tokenizer, text, 400, 0.5, 1, 2).ids);
  CHECK_THROWS_AS(make_needle(*tokenizer, {1, 2, 3}, 400, 0.5, 1, 2), Error);
}

TEST_CASE("every pair is told once and asked once") {
  const auto tokenizer = gpt2();
  const RecallItem item = make_associative(*tokenizer, max_associative_keys(), 1, 2);
  REQUIRE(int64_t(item.answers.size()) == max_associative_keys());
  const std::string all = tokenizer->decode(item.ids);
  for (size_t i = 0; i < item.answers.size(); ++i) {
    const int64_t begin = item.answers[i].first;
    const std::string before = tokenizer->decode({item.ids.begin(), item.ids.begin() + begin});
    const std::string pair =
        before.substr(before.rfind('\n')) + answer_text(*tokenizer, item, i);  // "\nriver: 512"
    INFO(pair);
    CHECK(before.find(pair) != std::string::npos);
  }
}

TEST_CASE("a window asks for all of its tokens but the first") {
  const TokenIds text{1, 2, 3, 4, 5, 6, 7, 8};
  const RecallItem item = make_window(text, 4, 1, 2);
  CHECK(item.ids.size() == 4);
  REQUIRE(item.answers.size() == 3);
  CHECK(item.answers[0] == std::pair<int64_t, int64_t>(1, 2));
}
