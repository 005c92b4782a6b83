#include "data/bpe_tokenizer.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <queue>
#include <unordered_map>

#include "data/added_tokens.h"
#include "data/byte_level.h"
#include "data/utf8.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

constexpr size_t kCachedWords = 1 << 16;
constexpr size_t kLongestCachedWord = 256;

struct Symbol {
  int32_t id;
  int32_t previous, next;  // indices, -1 at the ends
  uint32_t offset;         // first byte in the word
};

struct Candidate {
  int32_t rank;
  int32_t left;  // index of the left symbol
  int32_t left_id, right_id;
  bool operator>(const Candidate& o) const {
    return rank != o.rank ? rank > o.rank : left > o.left;
  }
};

struct Word {
  TokenIds ids;
  std::vector<uint32_t> offsets;
};

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(BpeParts parts) : parts_(std::move(parts)), added_(parts_.added) {
    for (size_t id = 0; id < parts_.tokens.size(); ++id)
      if (!parts_.tokens[id].empty()) ids_.emplace(parts_.tokens[id], int32_t(id));
    for (int byte = 0; byte < 256; ++byte) byte_ids_[byte] = lookup(byte_to_token(uint8_t(byte)));
    for (size_t rank = 0; rank < parts_.merges.size(); ++rank) {
      const auto& [left, right] = parts_.merges[rank];
      const int32_t l = lookup(left), r = lookup(right), joined = lookup(left + right);
      if (l < 0 || r < 0 || joined < 0)
        throw Error(parts_.where + ": merge '" + left + " " + right +
                    "' names a token that is not in the vocabulary");
      merges_.emplace(key(l, r), std::pair<int32_t, int32_t>{int32_t(rank), joined});
    }
    for (const AddedToken& token : parts_.added) special_.emplace(token.id, token.special);
  }

  TokenIds encode(std::string_view text, bool add_special,
                  std::vector<size_t>* offsets) const override {
    TokenIds ids;
    std::vector<size_t> starts;
    if (add_special) append_fixed(parts_.prefix, 0, ids, starts);
    size_t normal_begin = 0;  // offset of the piece in the normalised text
    for (const TextSpan& raw : added_.split(text, false)) {
      if (raw.id >= 0) {
        append_fixed({raw.id}, normal_begin, ids, starts);
        normal_begin += raw.text.size();
        continue;
      }
      const std::string normal = normalize(raw.text);
      for (const TextSpan& span : added_.split(normal, true)) {
        const size_t begin = normal_begin + size_t(span.text.data() - normal.data());
        if (span.id >= 0) {
          append_fixed({span.id}, begin, ids, starts);
          continue;
        }
        for (const std::string_view piece : pre_tokenize(parts_.steps, span.text))
          append_word(piece, begin + size_t(piece.data() - span.text.data()), ids, starts);
      }
      normal_begin += normal.size();
    }
    if (add_special) append_fixed(parts_.suffix, normal_begin, ids, starts);
    if (offsets) *offsets = std::move(starts);
    return ids;
  }

  std::string normalize(std::string_view text) const override {
    return parts_.nfc ? nfc(text) : std::string(text);
  }

  std::string decode(const TokenIds& ids, bool skip_special) const override {
    std::string bytes;
    for (const int32_t id : ids)
      if (!skip_special || !is_special(id)) bytes += token_bytes(id);
    return utf8_lossy(bytes);
  }

  std::string token_bytes(int32_t id) const override {
    if (id < 0 || size_t(id) >= parts_.tokens.size()) return "";
    return token_to_bytes(parts_.tokens[size_t(id)]);
  }

  bool is_special(int32_t id) const override {
    const auto it = special_.find(id);
    return it != special_.end() && it->second;
  }

  int64_t vocab_size() const override { return int64_t(parts_.tokens.size()); }

  std::optional<int32_t> token_id(std::string_view token) const override {
    const int32_t id = lookup(std::string(token));
    return id < 0 ? std::nullopt : std::optional<int32_t>(id);
  }

  std::string chat_template_text() const override { return parts_.chat_template; }

 private:
  static uint64_t key(int32_t left, int32_t right) {
    return uint64_t(uint32_t(left)) << 32 | uint32_t(right);
  }

  int32_t lookup(const std::string& token) const {
    const auto it = ids_.find(token);
    return it == ids_.end() ? -1 : it->second;
  }

  static void append_fixed(const TokenIds& more, size_t offset, TokenIds& ids,
                           std::vector<size_t>& starts) {
    ids.insert(ids.end(), more.begin(), more.end());
    starts.insert(starts.end(), more.size(), offset);
  }

  void append_word(std::string_view piece, size_t begin, TokenIds& ids,
                   std::vector<size_t>& starts) const {
    const Word word = cached(piece);
    ids.insert(ids.end(), word.ids.begin(), word.ids.end());
    for (const uint32_t offset : word.offsets) starts.push_back(begin + offset);
  }

  Word cached(std::string_view piece) const {
    if (piece.size() > kLongestCachedWord) return merge(piece);
    const std::string text(piece);
    {
      const std::lock_guard lock(mutex_);
      const auto it = cache_.find(text);
      if (it != cache_.end()) return it->second;
    }
    Word word = merge(piece);
    const std::lock_guard lock(mutex_);
    if (cache_.size() >= kCachedWords) cache_.clear();
    cache_.emplace(text, word);
    return word;
  }

  // Joins the pair of lowest rank, leftmost first, until none is left.
  Word merge(std::string_view piece) const {
    if (parts_.ignore_merges) {
      std::string token;
      for (const char c : piece) token += byte_to_token(uint8_t(c));
      if (const int32_t id = lookup(token); id >= 0) return {{id}, {0}};
    }
    std::vector<Symbol> symbols;
    for (size_t i = 0; i < piece.size(); ++i) {
      const int32_t id =
          byte_ids_[uint8_t(piece[i])] >= 0 ? byte_ids_[uint8_t(piece[i])] : parts_.unk_id;
      if (id < 0) continue;  // no token and no unknown token: dropped, as Hugging Face does
      const int32_t index = int32_t(symbols.size());
      if (index > 0) symbols.back().next = index;
      symbols.push_back({id, index - 1, -1, uint32_t(i)});
    }
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
    const auto offer = [&](int32_t left) {
      if (left < 0 || symbols[left].next < 0) return;
      const int32_t l = symbols[left].id, r = symbols[symbols[left].next].id;
      const auto it = merges_.find(key(l, r));
      if (it != merges_.end()) queue.push({it->second.first, left, l, r});
    };
    for (size_t i = 0; i + 1 < symbols.size(); ++i) offer(int32_t(i));
    while (!queue.empty()) {
      const Candidate best = queue.top();
      queue.pop();
      Symbol& left = symbols[best.left];
      if (left.id != best.left_id || left.next < 0 || symbols[left.next].id != best.right_id)
        continue;
      Symbol& right = symbols[left.next];
      left.id = merges_.at(key(best.left_id, best.right_id)).second;
      right.id = -1;
      left.next = right.next;
      if (left.next >= 0) symbols[left.next].previous = best.left;
      offer(left.previous);
      offer(best.left);
    }
    Word word;
    for (int32_t i = symbols.empty() ? -1 : 0; i >= 0; i = symbols[i].next) {
      word.ids.push_back(symbols[i].id);
      word.offsets.push_back(symbols[i].offset);
    }
    return word;
  }

  BpeParts parts_;
  AddedTokens added_;
  std::unordered_map<std::string, int32_t> ids_;
  std::array<int32_t, 256> byte_ids_{};
  std::unordered_map<uint64_t, std::pair<int32_t, int32_t>> merges_;  // pair -> rank, joined id
  std::unordered_map<int32_t, bool> special_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, Word> cache_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_bpe_tokenizer(BpeParts parts) {
  return std::make_unique<BpeTokenizer>(std::move(parts));
}

}  // namespace tptt
