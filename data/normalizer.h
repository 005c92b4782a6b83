#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tptt {

/// Text made from another one, with the byte of the other one that each byte comes from.
struct AlignedText {
  std::string text = {};
  std::vector<uint32_t> origins = {};  // empty: each byte stands where it stood

  size_t origin(size_t at) const { return origins.empty() ? at : origins[at]; }
};

/// One normaliser step, named and meant as in Hugging Face tokenizers.
struct NormalizerStep {
  enum class Kind { nfc, prepend, replace };
  Kind kind = Kind::nfc;
  std::string pattern = {};  // replace: what is replaced
  std::string content = {};  // prepend, replace: by what
};

/// `text` after all steps. Throws Error when NFC meets bytes that are no UTF-8 and when the steps
/// blow the text up beyond what any tokenizer makes of one.
AlignedText normalize(const std::vector<NormalizerStep>& steps, std::string_view text);
AlignedText normalize(const std::vector<NormalizerStep>& steps, std::string_view text,
                      size_t limit);

/// What the steps of a tokenizer may make of a text of so many bytes.
size_t longest_result(size_t bytes);

/// `text` with every `from` replaced by `to`; what replaces comes from where `from` began. Throws
/// Error when it becomes longer than `limit`.
AlignedText replace_aligned(const AlignedText& text, std::string_view from, std::string_view to,
                            size_t limit);

/// `text` with `content` before it, which comes from the first byte. `limit` as above.
AlignedText prepend_aligned(const AlignedText& text, std::string_view content, size_t limit);

}  // namespace tptt
