#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/kernels/vectors.h"

// What happens between the products of an attention: a row of scores in place, in whole vectors of
// W floats (a row has room for them).

namespace tptt::scores {

constexpr float kHidden = -std::numeric_limits<float>::infinity();  // a key that is not seen
constexpr float kLeast = -1e30F;                                    // before any score

struct Row {
  int64_t size;           // keys
  int64_t query, first;   // the row's position, that of its first key
  int64_t window, sinks;  // window 0: none
  float scaling, cap;
};

// c tanh(s / c) of the scores s = scaling x.
template <int W>
TPTT_INLINE void soft_cap(float* x, const Row& s) {
  typename VectorOf<W>::type value;
  for (int64_t i = 0; i < s.size; i += W) {
    load_vector<W>(value, x + i);
    soft_cap_vector<W>(value, s.scaling, s.cap);
    store_vector<W>(x + i, value);
  }
}

// Products become scores, but for the scaling that is returned; hidden where not seen.
template <int W>
TPTT_INLINE float prepare(float* x, const Row& s) {
  if (s.cap > 0) soft_cap<W>(x, s);
  const int64_t seen = std::clamp<int64_t>(s.query - s.first + 1, 0, s.size);
  for (int64_t i = seen; i < round_up(s.size, W); ++i) x[i] = kHidden;
  if (s.window > 0) {
    const int64_t from = std::max<int64_t>(0, s.sinks - s.first);  // the sinks stay
    const int64_t to = std::clamp<int64_t>(s.query - s.window + 1 - s.first, 0, s.size);
    for (int64_t i = from; i < to; ++i) x[i] = kHidden;
  }
  return s.cap > 0 ? 1 : s.scaling;
}

// What a row has gathered: the largest score and the sum of exponentials of its weighted values.
struct Running {
  float top, sum;
};

// x becomes e^(score - top); what was gathered before, o, is scaled to the new top.
template <int W>
TPTT_INLINE Running softmax(float* x, const Row& s, Running before, float* o, int64_t width) {
  using Vector = typename VectorOf<W>::type;
  const float scaling = prepare<W>(x, s);
  Vector value, largest = Vector{} + kHidden, sum{};
  for (int64_t i = 0; i < s.size; i += W) {
    load_vector<W>(value, x + i);
    value *= scaling;
    largest = value > largest ? value : largest;
    store_vector<W>(x + i, value);  // rounded: the weight of a single key is 1
  }
  const float top = std::max(before.top, largest_of<W>(largest));
  const Vector hidden = Vector{} + kHidden;
  for (int64_t i = 0; i < s.size; i += W) {
    load_vector<W>(value, x + i);
    const auto seen = value != hidden;
    value -= top;
    exp_vector<W>(value);
    value = seen ? value : Vector{};
    sum += value;
    store_vector<W>(x + i, value);
  }
  const float scale = before.sum > 0 ? std::exp(before.top - top) : 0.0F;
  for (int64_t i = 0; i < width && scale != 1; i += W) {
    load_vector<W>(value, o + i);
    store_vector<W>(o + i, value * scale);
  }
  return {top, before.sum * scale + sum_of<W>(sum)};
}

// p becomes the row's weights, dp the gradient of its products. lse: the log of the row's sum of
// exponentials; delta: its o times o's gradient.
template <int W>
TPTT_INLINE void gradient(float* p, float* dp, const Row& s, float lse, float delta) {
  using Vector = typename VectorOf<W>::type;
  const float scaling = prepare<W>(p, s), per_cap = s.cap > 0 ? 1 / s.cap : 0;
  const Vector hidden = Vector{} + kHidden, zero{};
  for (int64_t i = 0; i < s.size; i += W) {
    Vector value, g;
    load_vector<W>(value, p + i);
    load_vector<W>(g, dp + i);
    const auto seen = value != hidden;
    const Vector capped = value * per_cap, slope = s.scaling * (1 - capped * capped);
    value = value * scaling - lse;
    exp_vector<W>(value);
    value = seen ? value : zero;
    g = seen ? value * (g - delta) * slope : zero;
    store_vector<W>(p + i, value);
    store_vector<W>(dp + i, g);
  }
}

// A row's bfloat16 take the first half of its place.
template <int W>
TPTT_INLINE void narrow(const float* x, int64_t size, float* to) {
  typename VectorOf<W>::type value;
  for (int64_t i = 0; i < size; i += W) {
    load_vector<W>(value, x + i);
    store_vector<W>(reinterpret_cast<c10::BFloat16*>(to) + i, value);
  }
}

// Pairs of bfloat16 of a row and the next take the row's place.
template <int W>
TPTT_INLINE void zip(float* row, const float* next, int64_t size) {
  typename VectorOf<W>::type value;
  typename VectorOf<W>::bits low, high;
  for (int64_t i = 0; i < size; i += W) {
    load_vector<W>(value, row + i);
    round_vector<W>(low, value);
    load_vector<W>(value, next + i);
    round_vector<W>(high, value);
    low |= high << 16;
    std::memcpy(row + i, &low, sizeof low);
  }
}

}  // namespace tptt::scores
