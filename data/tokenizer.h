#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/decoder.h"
#include "models/formats/model_files.h"

namespace tptt {

using TokenIds = std::vector<int32_t>;

/// Text to ids and back, as the model's own tokenizer does it.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// Ids of UTF-8 `text`. Added tokens inside the text are recognised, as Hugging Face tokenizers
  /// do; with `add_special` the post-processor's tokens (BOS, ...) are added.
  /// `offsets`, when given, takes each id's first byte in `text`; what the tokenizer itself puts in
  /// (a space before the text) comes from the byte it stands before.
  virtual TokenIds encode(std::string_view text, bool add_special = false,
                          std::vector<size_t>* offsets = nullptr) const = 0;
  /// How tokens become text; decode and StreamDecoder follow it.
  virtual std::vector<DecoderStep> decoder() const = 0;
  /// One token as the vocabulary spells it; empty for an unknown id.
  virtual std::string token(int32_t id) const = 0;
  /// The bytes one token stands for.
  virtual std::string token_bytes(int32_t id) const = 0;
  virtual bool is_special(int32_t id) const = 0;
  virtual int64_t vocab_size() const = 0;  // ids are below it, added tokens included
  virtual std::optional<int32_t> token_id(std::string_view token) const = 0;
  /// The model file's own chat template text, used only to recognise which built-in one it is.
  virtual std::string chat_template_text() const = 0;
  /// Text of the ids; bytes that are no UTF-8 become U+FFFD as in Hugging Face tokenizers.
  std::string decode(const TokenIds& ids, bool skip_special = false) const;
};

/// From tokenizer.json or tokenizer.model (SentencePiece) of a directory or from GGUF metadata.
/// Unsupported components are refused by name. Throws Error.
std::unique_ptr<Tokenizer> load_tokenizer(const ModelFiles& files);

/// Prints whole UTF-8 characters as tokens arrive; never half a one.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer)
      : tokenizer_(tokenizer), decoder_(tokenizer.decoder()) {}
  /// The text that became complete with this token (special tokens give none).
  std::string push(int32_t id);
  /// What is left at the end; incomplete bytes become U+FFFD.
  std::string finish() { return decoder_.finish(); }

 private:
  const Tokenizer& tokenizer_;
  Decoder decoder_;
};

}  // namespace tptt
