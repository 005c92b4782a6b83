#include "data/bpe_model.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <queue>

#include "data/byte_level.h"
#include "data/decoder.h"
#include "data/utf8.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

constexpr size_t kCachedWords = 1 << 15;
constexpr size_t kLongestCachedWord = 256;
constexpr size_t kLongestScoredToken = 512;  // bytes; each of its cuts is looked up

uint64_t pair_key(int32_t left, int32_t right) {
  return uint64_t(uint32_t(left)) << 32 | uint32_t(right);
}

struct Candidate {
  int32_t rank, left, joined;  // left: index of the left symbol
  bool operator>(const Candidate& o) const {
    return rank != o.rank ? rank > o.rank : left > o.left;
  }
};

// Where a U+2581 stands right after something else, or npos.
size_t inner_space(std::string_view text, size_t from) {
  for (size_t at = text.find(kSpaceSymbol, from + 1); at != std::string_view::npos;
       at = text.find(kSpaceSymbol, at + 1))
    if (at < 3 || text.substr(at - 3, 3) != kSpaceSymbol) return at;
  return std::string_view::npos;
}

}  // namespace

BpeModel::BpeModel(BpeVocab vocab, const std::string& where) : vocab_(std::move(vocab)) {
  for (size_t id = 0; id < vocab_.tokens.size(); ++id)
    if (!vocab_.tokens[id].empty()) ids_.emplace(vocab_.tokens[id], int32_t(id));
  for (int byte = 0; byte < 256; ++byte)
    byte_ids_[size_t(byte)] =
        id(vocab_.byte_level ? byte_to_token(uint8_t(byte)) : token_of_byte(uint8_t(byte)));
  if (vocab_.scores.empty()) {
    add_ranked_merges(where);
  } else {
    add_scored_merges(where);
  }
  find_word_breaks();
}

int32_t BpeModel::id(std::string_view token) const {
  const auto it = ids_.find(token);
  return it == ids_.end() ? -1 : it->second;
}

void BpeModel::add_ranked_merges(const std::string& where) {
  for (size_t rank = 0; rank < vocab_.merges.size(); ++rank) {
    const auto& [left, right] = vocab_.merges[rank];
    const int32_t l = id(left), r = id(right), joined = id(left + right);
    if (l < 0 || r < 0 || joined < 0)
      throw Error(where + ": merge '" + left + " " + right +
                  "' names a token that is not in the vocabulary");
    merges_.insert_or_assign(pair_key(l, r), Merge{int32_t(rank), joined});
  }
}

// Every split of a token into two tokens joins to it; equal scores are equal ranks.
void BpeModel::add_scored_merges(const std::string& where) {
  std::map<double, int32_t, std::greater<>> ranks;
  for (const double score : vocab_.scores)
    if (!std::isnan(score)) ranks.emplace(score, 0);
  int32_t next = 0;
  for (auto& [score, rank] : ranks) rank = next++;
  for (size_t joined = 0; joined < vocab_.tokens.size(); ++joined) {
    if (std::isnan(vocab_.scores[joined])) continue;
    const std::string_view token = vocab_.tokens[joined];
    if (token.size() > kLongestScoredToken)
      throw Error(where + ": token " + std::to_string(joined) + " has " +
                  std::to_string(token.size()) + " bytes; expected at most " +
                  std::to_string(kLongestScoredToken));
    for (size_t cut = 1; cut < token.size(); ++cut) {
      if ((token[cut] & 0xC0) == 0x80) continue;
      const int32_t l = id(token.substr(0, cut)), r = id(token.substr(cut));
      if (l >= 0 && r >= 0)
        merges_.emplace(pair_key(l, r), Merge{ranks.at(vocab_.scores[joined]), int32_t(joined)});
    }
  }
}

// A text without pre-tokenisation is one long word; where no merge can cross, it may be cut.
void BpeModel::find_word_breaks() {
  breaks_at_spaces_ =
      !vocab_.byte_level && !vocab_.ignore_merges && id(kSpaceSymbol) >= 0 &&
      std::all_of(merges_.begin(), merges_.end(), [&](const auto& merge) {
        return inner_space(vocab_.tokens[size_t(merge.second.joined)], 0) == std::string::npos;
      });
}

const BpeModel::Merge* BpeModel::find_merge(int32_t left, int32_t right) const {
  const auto it = merges_.find(pair_key(left, right));
  return it == merges_.end() ? nullptr : &it->second;
}

void BpeModel::append(std::string_view word, size_t begin, std::vector<int32_t>& ids,
                      std::vector<uint32_t>& offsets) const {
  size_t done = 0;
  while (breaks_at_spaces_ && done < word.size()) {
    const size_t cut = inner_space(word, done);
    if (cut == std::string_view::npos) break;
    append_cached(word.substr(done, cut - done), begin + done, ids, offsets);
    done = cut;
  }
  if (done < word.size()) append_cached(word.substr(done), begin + done, ids, offsets);
}

void BpeModel::append_cached(std::string_view word, size_t begin, std::vector<int32_t>& ids,
                             std::vector<uint32_t>& offsets) const {
  const auto add = [&](const Word& parts) {
    ids.insert(ids.end(), parts.ids.begin(), parts.ids.end());
    for (const uint32_t offset : parts.offsets) offsets.push_back(uint32_t(begin + offset));
  };
  if (word.size() > kLongestCachedWord) return add(merge(word));
  const size_t spread =
      word.size() + 7 * uint8_t(word.back()) + 31 * uint8_t(word[word.size() / 2]);
  CacheShard& shard = cache_[spread % cache_.size()];
  {
    const std::lock_guard lock(shard.mutex);
    if (const auto it = shard.words.find(word); it != shard.words.end()) return add(it->second);
  }
  Word parts = merge(word);
  add(parts);
  const std::lock_guard lock(shard.mutex);
  if (shard.words.size() >= kCachedWords / cache_.size()) shard.words.clear();
  shard.words.emplace(std::string(word), std::move(parts));
}

std::vector<BpeModel::Symbol> BpeModel::byte_symbols(std::string_view word) const {
  std::vector<Symbol> out;
  for (size_t i = 0; i < word.size(); ++i) {
    const int32_t byte = byte_ids_[uint8_t(word[i])];
    const int32_t id = byte >= 0 ? byte : vocab_.unk_id;
    if (id >= 0) out.push_back({id, 0, 0, uint32_t(i)});
  }
  return out;
}

std::vector<BpeModel::Symbol> BpeModel::symbols(std::string_view word) const {
  std::vector<Symbol> out;
  bool unknown = false;  // the last character was
  for (size_t at = 0, end = 0; at < word.size(); at = end) {
    end = at + 1;
    while (end < word.size() && (word[end] & 0xC0) == 0x80) ++end;
    const std::string_view character = word.substr(at, end - at);
    const bool was_unknown = std::exchange(unknown, false);
    if (const int32_t known = id(character); known >= 0) {
      out.push_back({known, 0, 0, uint32_t(at)});
    } else if (vocab_.byte_fallback && std::all_of(character.begin(), character.end(), [&](char c) {
                 return byte_ids_[uint8_t(c)] >= 0;
               })) {
      for (size_t i = 0; i < character.size(); ++i)
        out.push_back({byte_ids_[uint8_t(character[i])], 0, 0, uint32_t(at + i)});
    } else if (vocab_.unk_id >= 0) {
      unknown = true;
      if (!(was_unknown && vocab_.fuse_unk)) out.push_back({vocab_.unk_id, 0, 0, uint32_t(at)});
    }
  }
  return out;
}

BpeModel::Word BpeModel::merge(std::string_view word) const {
  if (vocab_.ignore_merges) {
    std::string token;
    for (size_t i = 0; vocab_.byte_level && i < word.size(); ++i)
      token += byte_to_token(uint8_t(word[i]));
    if (const int32_t whole = id(vocab_.byte_level ? std::string_view(token) : word); whole >= 0)
      return {{whole}, {0}};
  }
  std::vector<Symbol> parts = vocab_.byte_level ? byte_symbols(word) : symbols(word);
  const int32_t count = int32_t(parts.size());
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto offer = [&](int32_t left) {
    if (left < 0 || parts[size_t(left)].next < 0) return;
    const Symbol& l = parts[size_t(left)];
    if (const Merge* merge = find_merge(l.id, parts[size_t(l.next)].id))
      queue.push({merge->rank, left, merge->joined});
  };
  for (int32_t i = 0; i < count; ++i) {
    parts[size_t(i)].previous = i - 1;
    parts[size_t(i)].next = i + 1 < count ? i + 1 : -1;
  }
  for (int32_t i = 0; i + 1 < count; ++i) offer(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = parts[size_t(best.left)];
    if (left.id < 0 || left.next < 0) continue;
    Symbol& right = parts[size_t(left.next)];
    const Merge* merge = find_merge(left.id, right.id);
    if (!merge || merge->joined != best.joined) continue;
    left.id = best.joined;
    right.id = -1;
    left.next = right.next;
    if (left.next >= 0) parts[size_t(left.next)].previous = best.left;
    offer(left.previous);
    offer(best.left);
  }
  Word out;
  for (int32_t i = count > 0 ? 0 : -1; i >= 0; i = parts[size_t(i)].next) {
    out.ids.push_back(parts[size_t(i)].id);
    out.offsets.push_back(parts[size_t(i)].offset);
  }
  return out;
}

}  // namespace tptt
