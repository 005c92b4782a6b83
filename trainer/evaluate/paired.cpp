#include "trainer/evaluate/paired.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace tptt {

double mean_loss(const std::vector<ExampleLoss>& losses) {
  double sum = 0;
  int64_t tokens = 0;
  for (const ExampleLoss& loss : losses) sum += loss.sum, tokens += loss.num_target_tokens;
  return sum / double(std::max<int64_t>(tokens, 1));
}

std::optional<std::pair<double, double>> loss_change_interval(
    const std::vector<ExampleLoss>& before, const std::vector<ExampleLoss>& after, uint64_t seed) {
  constexpr int kDraws = 2000;
  const size_t count = before.size();
  if (count < 2 || after.size() != count) return std::nullopt;
  std::vector<ExampleLoss> changes;
  for (size_t i = 0; i < count; ++i) {
    changes.push_back({after[i].sum - before[i].sum, before[i].num_target_tokens});
    if (!std::isfinite(changes[i].sum) || before[i].num_target_tokens != after[i].num_target_tokens)
      return std::nullopt;
  }
  // Its numbers are fixed by the standard, those of the distributions are not.
  std::mt19937_64 random(seed);
  std::vector<double> means;
  for (int draw = 0; draw < kDraws; ++draw) {
    double sum = 0;
    int64_t tokens = 0;
    for (size_t i = 0; i < count; ++i) {
      const ExampleLoss& change = changes[random() % count];
      sum += change.sum, tokens += change.num_target_tokens;
    }
    means.push_back(sum / double(std::max<int64_t>(tokens, 1)));
  }
  std::sort(means.begin(), means.end());
  const auto quantile = [&means](double q) { return means[size_t(q * (kDraws - 1) + 0.5)]; };
  return std::pair(quantile(0.025), quantile(0.975));
}

// Twice the binomial tail of the rarer outcome at even odds.
static double mcnemar(int64_t a, int64_t b) {
  const double n = double(a + b);
  double tail = 0;
  for (int64_t i = 0; i <= std::min(a, b); ++i)
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(double(i) + 1) -
                     std::lgamma(n - double(i) + 1) - n * std::log(2.0));
  return std::min(1.0, 2 * tail);
}

PairedDifference paired_difference(const std::vector<double>& first,
                                   const std::vector<double>& second) {
  PairedDifference out;
  out.num = int64_t(first.size());
  const double n = double(first.size());
  for (size_t i = 0; i < first.size(); ++i) {
    out.first += first[i] / n;
    out.second += second[i] / n;
    out.only_first += first[i] > second[i];
    out.only_second += second[i] > first[i];
  }
  out.difference = out.second - out.first;
  double squares = 0;
  for (size_t i = 0; i < first.size(); ++i)
    squares += std::pow(second[i] - first[i] - out.difference, 2);
  if (out.num > 1) out.standard_error = std::sqrt(squares / (n - 1) / n);
  out.p_value = mcnemar(out.only_first, out.only_second);
  return out;
}

}  // namespace tptt
