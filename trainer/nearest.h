#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace tptt {

/// The name of `known` (not empty) with the smallest edit distance to `word`.
inline std::string nearest(const std::string& word, const std::vector<std::string>& known) {
  const auto distance = [&](const std::string& name) {
    std::vector<size_t> row(name.size() + 1);
    for (size_t j = 0; j <= name.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= name.size(); ++j) {
        const size_t swap = diagonal + (word[i - 1] != name[j - 1]);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, swap});
      }
    }
    return row.back();
  };
  return *std::min_element(known.begin(), known.end(),
                           [&](const auto& a, const auto& b) { return distance(a) < distance(b); });
}

}  // namespace tptt
