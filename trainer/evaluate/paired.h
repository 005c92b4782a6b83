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

}  // namespace tptt
