#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace tptt {

struct ExampleLoss {
  double sum = 0;  // over its target tokens
  int64_t num_target_tokens = 0;
};

/// Mean over all target tokens; 0 when there are none.
double mean_loss(const std::vector<ExampleLoss>& losses);

/// Where the change of the mean loss (after - before, of the same examples) lies: 95% percentile
/// interval of a paired bootstrap, 2000 draws of whole examples with replacement that follow from
/// the seed alone. None when there are fewer than two examples, the lists do not belong together
/// or a loss is not finite.
std::optional<std::pair<double, double>> loss_change_interval(
    const std::vector<ExampleLoss>& before, const std::vector<ExampleLoss>& after, uint64_t seed);

/// Scores of the same questions by two models.
struct PairedDifference {
  int64_t num = 0;
  double first = 0, second = 0;             // means
  double difference = 0;                    // second - first
  double standard_error = 0;                // of the difference: sd (n - 1) of the pairs' / sqrt(n)
  int64_t only_first = 0, only_second = 0;  // questions where that score is the higher
  double p_value = 1;                       // McNemar's exact test of these two counts, two-sided
};
PairedDifference paired_difference(const std::vector<double>& first,
                                   const std::vector<double>& second);

}  // namespace tptt
