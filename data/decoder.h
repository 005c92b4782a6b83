#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tptt {

/// One step of a decoder, named and meant as in Hugging Face tokenizers.
struct DecoderStep {
  enum class Kind { byte_level, metaspace, replace, byte_fallback, fuse, strip };
  Kind kind = Kind::byte_level;
  std::string pattern = {};  // replace, strip and metaspace: what is replaced or taken away
  std::string content = {};  // replace: by what
  size_t start = 0;          // strip: at most so many at the start
  bool drop_first = false;   // metaspace: the first token's are dropped, not made spaces
};

/// Text of a stream of tokens, as it becomes complete: never half a character, and all parts
/// together are what Hugging Face's decoder gives for all tokens at once.
class Decoder {
 public:
  explicit Decoder(std::vector<DecoderStep> steps) : steps_(std::move(steps)) {}
  std::string push(std::string_view token);
  /// What is left at the end; incomplete bytes become U+FFFD.
  std::string finish();

 private:
  struct State {
    std::string pending = {};  // bytes that are no whole text yet
    size_t taken = 0;          // strip: how many are taken away already
    bool started = false;      // a token went through
    bool passed = false;       // strip: something else than its content came
  };

  void feed(size_t step, std::string token, std::string& out);
  void flush_bytes(size_t step, std::string& out);
  void strip(size_t step, std::string token, std::string& out);

  std::vector<DecoderStep> steps_;
  std::vector<State> states_ = std::vector<State>(steps_.size());
};

/// U+2581, SentencePiece's space.
inline constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";

/// The bytes of a SentencePiece kind's token: a byte token's byte, else its text with real spaces.
std::string piece_bytes(std::string_view token);

/// The byte that a token such as <0x0A> stands for, or -1.
int byte_of_token(std::string_view token);

/// The token of a byte: <0x0A>.
std::string token_of_byte(uint8_t byte);

/// A copy of `text` with every `from` replaced by `to`.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

}  // namespace tptt
