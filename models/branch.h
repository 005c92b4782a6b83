#pragma once

#include <utility>

namespace tptt {

/// Which part of a LiZA layer is used: as trained; softmax alone (mu = 0) without the window that
/// LiZA added, or with it; memory alone (mu = 1).
enum class Branch { mixed, softmax, linear, window };

/// Their names on command lines and in configurations.
inline constexpr std::pair<const char*, Branch> kBranches[] = {{"mixed", Branch::mixed},
                                                               {"softmax", Branch::softmax},
                                                               {"linear", Branch::linear},
                                                               {"window", Branch::window}};

}  // namespace tptt
