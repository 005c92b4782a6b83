#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/sha256.h"

namespace tptt {

/// SHA-256 of all that a row says; where it stands does not count.
Digest row_hash(const Row& row);

/// Of each row, on `num_threads` threads (0: all cores).
std::vector<Digest> row_hashes(const std::vector<Row>& rows, int64_t num_threads);

/// Finds rows that say the same as one seen before.
class RepeatFinder {
 public:
  /// Remembers where the row stands, unless an equal one is known.
  void add(const Row& row, const Digest& hash) { places_.emplace(hash, row.where); }
  /// The place of an equal row that was added, or null.
  const std::string* find(const Digest& hash) const;

 private:
  std::map<Digest, std::string> places_;
};

}  // namespace tptt
