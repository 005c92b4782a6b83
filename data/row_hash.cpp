#include "data/row_hash.h"

#include "data/parallel.h"

namespace tptt {

Digest row_hash(const Row& row) {
  Sha256 hash;
  hash.update_sized(row.is_document ? "document" : "row");
  hash.update_sized(std::to_string(row.messages.size()));
  for (const Message& m : row.messages) {
    for (const std::string* part : {&m.role, &m.content, &m.input}) hash.update_sized(*part);
    hash.update_sized(!m.train ? "" : *m.train ? "1" : "0");
  }
  hash.update_sized(row.prompt);
  hash.update_sized(row.completion);
  return hash.finish();
}

std::vector<Digest> row_hashes(const std::vector<Row>& rows, int64_t num_threads) {
  std::vector<Digest> hashes(rows.size());
  parallel_for(int64_t(rows.size()), num_threads,
               [&](int64_t i) { hashes[size_t(i)] = row_hash(rows[size_t(i)]); });
  return hashes;
}

const std::string* RepeatFinder::find(const Digest& hash) const {
  const auto it = places_.find(hash);
  return it == places_.end() ? nullptr : &it->second;
}

}  // namespace tptt
