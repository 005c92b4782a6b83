#include "data/bpe_tokenizer.h"

#include <unordered_map>

#include "data/byte_level.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

// What takes form while a text is encoded.
struct Encoding {
  TokenIds ids;
  std::vector<size_t> starts;

  void add(const TokenIds& more, size_t offset) {
    ids.insert(ids.end(), more.begin(), more.end());
    starts.insert(starts.end(), more.size(), offset);
  }
};

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(BpeParts parts)
      : parts_(std::move(parts)),
        model_(std::move(parts_.vocab), parts_.where),
        added_(parts_.added, false, parts_.where),
        added_normalized_(normalized_tokens(), true, parts_.where) {
    for (const AddedToken& token : parts_.added) special_.emplace(token.id, token.special);
    for (const TokenIds* ids : {&parts_.prefix, &parts_.suffix})
      for (const int32_t id : *ids)
        if (id < 0 || id >= vocab_size())
          throw Error(parts_.where + ": the post-processor adds id " + std::to_string(id) +
                      ", and the vocabulary has " + std::to_string(vocab_size()) + " tokens");
  }

  TokenIds encode(std::string_view text, bool add_special,
                  std::vector<size_t>* offsets) const override {
    if (text.size() >= UINT32_MAX) throw Error("tokenizer: a text must be shorter than 4 GB");
    Encoding out;
    if (add_special) out.add(parts_.prefix, 0);
    for (const TextSpan& span : added_.split(text)) {
      const size_t at = size_t(span.text.data() - text.data());
      if (span.id >= 0) {
        out.add({span.id}, at);
      } else {
        encode_plain(span.text, at, out);
      }
    }
    if (add_special) out.add(parts_.suffix, text.size());
    if (offsets) *offsets = std::move(out.starts);
    return std::move(out.ids);
  }

  std::vector<DecoderStep> decoder() const override { return parts_.decoder; }

  std::string token(int32_t id) const override {
    return id < 0 || id >= vocab_size() ? "" : model_.tokens()[size_t(id)];
  }

  std::string token_bytes(int32_t id) const override {
    const std::string text = token(id);
    return model_.byte_level() ? token_to_bytes(text) : piece_bytes(text);
  }

  bool is_special(int32_t id) const override {
    const auto it = special_.find(id);
    return it != special_.end() && it->second;
  }

  int64_t vocab_size() const override { return int64_t(model_.tokens().size()); }

  std::optional<int32_t> token_id(std::string_view token) const override {
    const int32_t id = model_.id(token);
    return id < 0 ? std::nullopt : std::optional<int32_t>(id);
  }

  std::string chat_template_text() const override { return parts_.chat_template; }

 private:
  // Tokens looked for in normalised text are normalised themselves.
  std::vector<AddedToken> normalized_tokens() const {
    std::vector<AddedToken> tokens = parts_.added;
    for (AddedToken& token : tokens)
      if (token.normalized)
        token.text = normalize(parts_.normalizer, token.text, 4 * kLongestAddedToken).text;
    return tokens;
  }

  // `text` lies at `at` in the whole and has no added token but those of normalised text.
  void encode_plain(std::string_view text, size_t at, Encoding& out) const {
    const AlignedText normal = normalize(parts_.normalizer, text);
    for (const TextSpan& span : added_normalized_.split(normal.text)) {
      const size_t begin = size_t(span.text.data() - normal.text.data());
      if (span.id >= 0) {
        out.add({span.id}, at + normal.origin(begin));
        continue;
      }
      AlignedText words{std::string(span.text)};
      const bool at_start = at + normal.origin(begin) == 0;
      std::vector<uint32_t> offsets;
      for (const TextRange& word : pre_tokenize(parts_.pre_tokenizer, at_start, words))
        model_.append(std::string_view(words.text).substr(word.begin, word.end - word.begin),
                      word.begin, out.ids, offsets);
      for (const uint32_t offset : offsets)
        out.starts.push_back(at + normal.origin(begin + words.origin(offset)));
    }
  }

  BpeParts parts_;
  BpeModel model_;
  AddedTokens added_, added_normalized_;
  std::unordered_map<int32_t, bool> special_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_bpe_tokenizer(BpeParts parts) {
  return std::make_unique<BpeTokenizer>(std::move(parts));
}

}  // namespace tptt
