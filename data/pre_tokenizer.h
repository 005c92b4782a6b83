#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/normalizer.h"
#include "models/formats/regex.h"

namespace tptt {

/// What becomes of the text a pattern matches (Hugging Face SplitDelimiterBehavior).
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// One pre-tokenisation step, on every piece of the text.
struct PreTokenizerStep {
  enum class Kind { split, prefix_space, metaspace };
  enum class Prepend { always, first, never };
  Kind kind = Kind::split;
  std::vector<Regex> regex = {};  // split, and metaspace when it splits: one pattern
  SplitBehavior behavior = SplitBehavior::isolated;
  bool invert = false;
  std::string space = {};             // metaspace: what stands for a space
  Prepend prepend = Prepend::always;  // metaspace: which pieces get one before them
};

/// A split of text by a pattern.
PreTokenizerStep split_step(const std::string& pattern, const std::string& where);

/// `literal` as a pattern that matches itself.
std::string escaped_pattern(const std::string& literal);

/// GPT-2's pattern, which ByteLevel uses.
extern const char* const kGpt2Pattern;

struct TextRange {
  size_t begin = 0, end = 0;
};

/// Applies the steps in turn: the pieces of `text`, which steps that add or replace text rewrite.
/// `at_start`: whether the text begins the whole input.
std::vector<TextRange> pre_tokenize(const std::vector<PreTokenizerStep>& steps, bool at_start,
                                    AlignedText& text);

}  // namespace tptt
