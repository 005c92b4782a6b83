#include "data/precompiled_charsmap.h"

#include <cstdint>
#include <cstring>
#include <vector>

#include "models/formats/error.h"

namespace tptt {
namespace {

constexpr int kMostMatches = 32;  // libsentencepiece's array for them
constexpr int kDeepest = 1000;    // bytes of the longest text that is replaced

// A unit of darts-clone's double array.
struct Unit {
  uint32_t bits = 0;

  uint32_t label() const { return bits & (1u << 31 | 0xFF); }
  uint32_t value() const { return bits & ~(1u << 31); }
  bool has_leaf() const { return bits >> 8 & 1; }
  size_t offset() const { return size_t(bits >> 10) << ((bits & 1 << 9) >> 6); }
};

class Trie {
 public:
  Trie(std::string_view bytes, const std::string& where)
      : units_(bytes.size() / sizeof(Unit)), matches_(units_.size(), kUnknown), where_(where) {
    std::memcpy(units_.data(), bytes.data(), bytes.size());
  }

  void check(size_t texts_size) {
    const Unit& root = units_[0];
    if (root.label() != 0 || root.has_leaf() || root.offset() == 0) refuse();
    for (size_t at = 0; at < units_.size(); ++at) {
      const Unit& unit = units_[at];
      if (unit.label() > 0xFF) {
        if (unit.value() >= texts_size) refuse();
        continue;
      }
      if (((at ^ unit.offset()) | 0xFF) >= units_.size()) refuse();
      if (unit.has_leaf() && units_[at ^ unit.offset()].label() <= 0xFF) refuse();
    }
    count_matches(0, 0);
  }

 private:
  static constexpr int8_t kUnknown = -1, kOnPath = -2;

  // The most matches on a path down from a unit.
  int count_matches(size_t at, int depth) {
    if (matches_[at] >= 0) return matches_[at];
    if (matches_[at] == kOnPath || depth > kDeepest) refuse();
    matches_[at] = kOnPath;
    const size_t base = at ^ units_[at].offset();
    int most = 0;
    for (uint32_t label = 1; label <= 0xFF; ++label) {
      const size_t child = base ^ label;
      if (units_[child].label() != label) continue;
      most = std::max(most, units_[child].has_leaf() + count_matches(child, depth + 1));
    }
    if (most > kMostMatches) refuse();
    matches_[at] = int8_t(most);
    return most;
  }

  [[noreturn]] void refuse() const {
    throw Error(where_ + ": precompiled_charsmap is broken; the file is damaged");
  }

  std::vector<Unit> units_;
  std::vector<int8_t> matches_;
  const std::string& where_;
};

}  // namespace

void check_precompiled_charsmap(std::string_view charsmap, const std::string& where) {
  const std::string what = where + ": precompiled_charsmap";
  uint32_t trie_size = 0;
  if (charsmap.size() <= sizeof trie_size) throw Error(what + " is too short");
  std::memcpy(&trie_size, charsmap.data(), sizeof trie_size);
  charsmap.remove_prefix(sizeof trie_size);
  if (trie_size >= charsmap.size())
    throw Error(what + " has a trie of " + std::to_string(trie_size) +
                " bytes, which is more than the file holds");
  if (trie_size == 0 || trie_size % 1024 != 0)
    throw Error(what + " has a trie of " + std::to_string(trie_size) +
                " bytes, expected a multiple of 1024");
  if (charsmap.back() != '\0') throw Error(what + " does not end with a null character");
  Trie(charsmap.substr(0, trie_size), where).check(charsmap.size() - trie_size);
}

}  // namespace tptt
