#include "data/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include <filesystem>
#include <unordered_map>

#include "data/sentencepiece_check.h"
#include "data/tokenizer_config.h"
#include "models/formats/error.h"
#include "models/formats/tensor_file.h"

namespace tptt {
namespace {

constexpr uint64_t kLargestModel = 64ull << 20;
// normalizer_spec {add_dummy_prefix: false}: protobuf merges what is appended.
constexpr std::string_view kNoDummyPrefix("\x1A\x02\x18\x00", 4);

using Processor = sentencepiece::SentencePieceProcessor;

std::string read_model(const std::string& path) {
  const ReadFile file(path);
  if (file.size() > kLargestModel) throw Error(path + ": is larger than any SentencePiece model");
  std::string bytes(file.size(), '\0');
  file.read(0, bytes.data(), bytes.size());
  return bytes;
}

void load(Processor& processor, const std::string& proto, const std::string& where) {
  const auto status = processor.LoadFromSerializedProto(proto);
  if (!status.ok()) throw Error(where + ": is no SentencePiece model: " + status.ToString());
}

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(const std::string& path, const TokenizerConfig& config) {
    const std::string proto = read_model(path);
    const SentencePieceModel model = check_sentencepiece_model(proto, path);
    load(first_, proto, path);
    later_has_prefix_ = config.legacy || !model.add_dummy_prefix;
    if (!later_has_prefix_) load(later_, proto + std::string(kNoDummyPrefix), path);
    const std::vector<AddedToken> added = collect_tokens(model, config);
    added_ = std::make_unique<AddedTokens>(added, false, config.where);
    for (size_t id = 0; id < tokens_.size(); ++id) ids_.emplace(tokens_[id], int32_t(id));
    if (config.add_bos.value_or(true) && first_.bos_id() >= 0) prefix_ = {first_.bos_id()};
    if (config.add_eos.value_or(false) && first_.eos_id() >= 0) suffix_ = {first_.eos_id()};
    chat_template_ = config.chat_template;
    decoder_ = {{DecoderStep::Kind::replace, std::string(kSpaceSymbol), " "},
                {DecoderStep::Kind::byte_fallback},
                {DecoderStep::Kind::fuse}};
    const size_t spaces = model.remove_extra_whitespaces ? SIZE_MAX : model.add_dummy_prefix;
    if (spaces > 0) decoder_.push_back({DecoderStep::Kind::strip, " ", "", spaces});
  }

  TokenIds encode(std::string_view text, bool add_special,
                  std::vector<size_t>* offsets) const override {
    TokenIds ids = add_special ? prefix_ : TokenIds();
    std::vector<size_t> starts(ids.size(), 0);
    for (const TextSpan& span : added_->split(text)) {
      const size_t at = size_t(span.text.data() - text.data());
      if (span.id >= 0) {
        ids.push_back(span.id);
        starts.push_back(at);
        continue;
      }
      const Processor& processor = at == 0 || later_has_prefix_ ? first_ : later_;
      const auto encoded = processor.EncodeAsImmutableProto(span.text);  // owns the pieces
      for (const auto& piece : encoded.pieces()) {
        ids.push_back(int32_t(piece.id()));
        starts.push_back(at + piece.begin());
      }
    }
    if (add_special) {
      ids.insert(ids.end(), suffix_.begin(), suffix_.end());
      starts.insert(starts.end(), suffix_.size(), text.size());
    }
    if (offsets) *offsets = std::move(starts);
    return ids;
  }

  std::vector<DecoderStep> decoder() const override { return decoder_; }
  std::string token(int32_t id) const override {
    return id < 0 || id >= vocab_size() ? "" : tokens_[size_t(id)];
  }
  std::string token_bytes(int32_t id) const override { return piece_bytes(token(id)); }
  bool is_special(int32_t id) const override {
    return id >= 0 && id < vocab_size() && special_[size_t(id)];
  }
  int64_t vocab_size() const override { return int64_t(tokens_.size()); }
  std::optional<int32_t> token_id(std::string_view token) const override {
    const auto it = ids_.find(std::string(token));
    return it == ids_.end() ? std::nullopt : std::optional<int32_t>(it->second);
  }
  std::string chat_template_text() const override { return chat_template_; }

 private:
  // The model's pieces, then what the configuration names: the tokens to look for in a text.
  std::vector<AddedToken> collect_tokens(const SentencePieceModel& model,
                                         const TokenizerConfig& config) {
    std::vector<AddedToken> added = config.added;
    for (size_t id = 0; id < model.pieces.size(); ++id) {
      const SentencePieceModel::Piece& piece = model.pieces[id];
      const bool special =
          piece.type == SentencePieceModel::control || piece.type == SentencePieceModel::unknown;
      tokens_.push_back(piece.text);
      special_.push_back(special);
      if (special) added.push_back({.text = piece.text, .id = int32_t(id), .special = true});
    }
    for (AddedToken& token : added) {
      token.normalized = false;
      check_token_id(token.id, model.pieces.size() + added.size(), config.where);
      const size_t id = size_t(token.id);
      if (id >= tokens_.size()) {
        tokens_.resize(id + 1);
        special_.resize(id + 1);
      }
      tokens_[id] = token.text;
      special_[id] = token.special;
    }
    return added;
  }

  Processor first_, later_;  // later_ puts no space before a text
  bool later_has_prefix_ = true;
  std::vector<std::string> tokens_;
  std::vector<bool> special_;
  std::unordered_map<std::string, int32_t> ids_;
  std::unique_ptr<AddedTokens> added_;
  TokenIds prefix_, suffix_;
  std::vector<DecoderStep> decoder_;
  std::string chat_template_;
};

}  // namespace

std::unique_ptr<Tokenizer> load_sentencepiece_tokenizer(const std::string& dir) {
  return std::make_unique<SentencePieceTokenizer>(
      (std::filesystem::path(dir) / "tokenizer.model").string(), read_tokenizer_config(dir));
}

}  // namespace tptt
