#include "trainer/evaluate/recall_tasks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "data/dataset.h"
#include "models/formats/error.h"
#include "models/philox.h"

namespace tptt {
namespace {

constexpr std::array kCities = {"Oslo",  "Lima",   "Cairo",  "Kyoto",  "Paris", "Quito",
                                "Delhi", "Dublin", "Warsaw", "Athens", "Hanoi", "Lagos"};
// Nouns of one token in most vocabularies.
constexpr std::array kWords = {
    "apple", "river", "stone",  "tiger", "house", "cloud",  "bread",  "horse",  "chair",  "light",
    "paper", "glass", "table",  "ocean", "green", "window", "garden", "music",  "silver", "dragon",
    "train", "mouse", "winter", "queen", "plant", "bridge", "candle", "forest", "orange", "pencil",
    "ship",  "wolf",  "snow",   "gold",  "ring",  "salt",   "wood",   "bird",   "fish",   "moon",
    "star",  "tree",  "door",   "book",  "lamp",  "rain",   "wind",   "fire",   "sand",   "leaf",
    "road",  "hill",  "farm",   "boat",  "king",  "bear",   "rose",   "milk",   "rice",   "coat",
    "wall",  "bell",  "drum",   "flag"};

// Random whole numbers that depend on seed, sample and how many were drawn alone.
struct Random {
  uint64_t seed, sample, count = 0;
  uint64_t below(uint64_t limit) { return philox4x32(seed, sample, count++)[0] % limit; }
};

template <class Items>
void shuffle(Items& items, Random& random) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.below(i)]);
}

void append(TokenIds& ids, const TokenIds& more) {
  ids.insert(ids.end(), more.begin(), more.end());
}

void append_answer(RecallItem& item, const TokenIds& answer) {
  const int64_t begin = int64_t(item.ids.size());
  append(item.ids, answer);
  item.answers.emplace_back(begin, begin + int64_t(answer.size()));
}

// A stretch of the text, from a random place.
TokenIds cut(const TokenIds& text, int64_t length, Random& random) {
  if (int64_t(text.size()) < length)
    throw Error("the text has " + std::to_string(text.size()) + " tokens, expected at least " +
                std::to_string(length) + " for the longest of --lengths");
  const auto begin = text.begin() + long(random.below(text.size() - size_t(length) + 1));
  return {begin, begin + length};
}

// The nearest end of a sentence at or before `at`, if there is one close by.
size_t sentence_end(const Tokenizer& tokenizer, const TokenIds& ids, size_t at) {
  constexpr size_t kFar = 64;
  for (size_t i = at; i > 0 && at - i < kFar; --i) {
    const std::string token = tokenizer.token_bytes(ids[i - 1]);
    if (token.ends_with(".") || token.ends_with("\n")) return i;
  }
  return at;
}

}  // namespace

RecallItem make_needle(const Tokenizer& tokenizer, const TokenIds& text, int64_t length,
                       double depth, uint64_t seed, uint64_t sample) {
  Random random{seed, sample};
  const std::string about =
      std::string("The secret number of ") + kCities[random.below(kCities.size())] + " is";
  const std::string number = " " + std::to_string(10000 + random.below(90000));
  const TokenIds start = encode_prompt("", tokenizer),
                 needle = tokenizer.encode(" " + about + number + "."),
                 question = tokenizer.encode("\n" + about), answer = tokenizer.encode(number);
  const int64_t rest =
      length - int64_t(start.size() + needle.size() + question.size() + answer.size());
  if (rest < 1)
    throw UsageError("--lengths: a needle needs more than " + std::to_string(length) + " tokens");
  const TokenIds hay = cut(text, rest, random);
  const size_t at = sentence_end(tokenizer, hay, size_t(std::llround(depth * double(rest))));
  RecallItem item;
  append(item.ids, start);
  append(item.ids, {hay.begin(), hay.begin() + long(at)});
  append(item.ids, needle);
  append(item.ids, {hay.begin() + long(at), hay.end()});
  append(item.ids, question);
  append_answer(item, answer);
  return item;
}

int64_t max_associative_keys() {
  return kWords.size();
}

RecallItem make_associative(const Tokenizer& tokenizer, int64_t num_keys, uint64_t seed,
                            uint64_t sample) {
  Random random{seed, sample};
  std::vector<std::string> words(kWords.begin(), kWords.end());
  shuffle(words, random);
  std::vector<std::pair<TokenIds, TokenIds>> pairs;
  for (int64_t i = 0; i < num_keys; ++i)
    pairs.emplace_back(tokenizer.encode("\n" + words[size_t(i)] + ":"),
                       tokenizer.encode(" " + std::to_string(100 + random.below(900))));
  RecallItem item;
  append(item.ids, encode_prompt("", tokenizer));
  for (const auto& [key, value] : pairs) {
    append(item.ids, key);
    append(item.ids, value);
  }
  shuffle(pairs, random);
  for (const auto& [key, value] : pairs) {
    append(item.ids, key);
    append_answer(item, value);
  }
  return item;
}

RecallItem make_window(const TokenIds& text, int64_t length, uint64_t seed, uint64_t sample) {
  Random random{seed, sample};
  RecallItem item;
  item.ids = cut(text, length, random);
  for (int64_t t = 1; t < length; ++t) item.answers.emplace_back(t, t + 1);
  return item;
}

}  // namespace tptt
