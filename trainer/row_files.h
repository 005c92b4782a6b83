#pragma once

#include <vector>

#include "data/dataset.h"
#include "data/row_hash.h"
#include "trainer/config.h"

namespace tptt {

/// A file's rows with the hash of each and whether it is held out by data.eval_split.
struct HashedRows {
  std::vector<Row> rows;
  std::vector<Digest> hashes;
  std::vector<bool> held_out;
};

/// The files of data.train and data.eval, in their order.
struct RowFiles {
  std::vector<HashedRows> train, eval;
};

/// Reads the files of config.data and logs what each was taken for, the bad rows that were skipped,
/// training rows that say the same and held-out rows that are trained on too. Throws Error, and
/// UsageError for a setting that no row answers to.
RowFiles read_row_files(const Config& config);

}  // namespace tptt
