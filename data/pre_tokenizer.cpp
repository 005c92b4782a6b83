#include "data/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "models/formats/error.h"

namespace tptt {

const char* const kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

// PCRE2's \s also takes U+180E; Unicode's White_Space, which Oniguruma follows, does not.
constexpr const char* kSpace =
    R"(\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

std::string with_unicode_space(const std::string& pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char next = pattern[++i];
      if (next == 's') {
        out += in_class ? kSpace : std::string("[") + kSpace + "]";
      } else if (next == 'S' && !in_class) {
        out += std::string("[^") + kSpace + "]";
      } else {
        out += {c, next};
      }
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    out += c;
  }
  return out;
}

struct Match {
  size_t begin, end;
  bool is_match;
};

// The piece as alternating gaps and matches, none empty.
std::vector<Match> segments(const PreTokenizerStep& step, std::string_view text) {
  std::vector<Match> out;
  size_t from = 0, gap = 0, begin = 0, end = 0;
  while (from < text.size() && step.regex[0].find(text, from, &begin, &end)) {
    if (end == begin) {
      from = begin + 1;
      while (from < text.size() && (text[from] & 0xC0) == 0x80) ++from;
      continue;
    }
    if (begin > gap) out.push_back({gap, begin, step.invert});
    out.push_back({begin, end, !step.invert});
    gap = from = end;
  }
  if (gap < text.size()) out.push_back({gap, text.size(), step.invert});
  return out;
}

void split(const PreTokenizerStep& step, std::string_view text, size_t offset,
           std::vector<TextRange>& out) {
  const size_t first = out.size();
  bool joins = false;  // merged_with_next: the piece before waits for this one
  bool previous_match = false;
  for (const Match& part : segments(step, text)) {
    const TextRange range{offset + part.begin, offset + part.end};
    const bool has_previous = out.size() > first;
    bool merge = false;
    switch (step.behavior) {
      case SplitBehavior::removed:
        if (part.is_match) continue;
        break;
      case SplitBehavior::isolated:
        break;
      case SplitBehavior::contiguous:
        merge = has_previous && part.is_match == previous_match;
        break;
      case SplitBehavior::merged_with_previous:
        merge = has_previous && part.is_match && !previous_match;
        break;
      case SplitBehavior::merged_with_next:
        merge = joins && !part.is_match;
        joins = part.is_match;
        break;
    }
    if (merge) {
      out.back().end = range.end;
    } else {
      out.push_back(range);
    }
    previous_match = part.is_match;
  }
}

// Whether the step puts a space (or what stands for one) before this piece.
bool prepends(const PreTokenizerStep& step, std::string_view piece, bool at_start) {
  if (step.kind == PreTokenizerStep::Kind::prefix_space) return !piece.starts_with(" ");
  return !piece.starts_with(step.space) &&
         (step.prepend == PreTokenizerStep::Prepend::always ||
          (step.prepend == PreTokenizerStep::Prepend::first && at_start));
}

// Builds the text anew, piece by piece, as Metaspace or ByteLevel's add_prefix_space changes it.
std::vector<TextRange> rewrite(const PreTokenizerStep& step, bool at_start, AlignedText& text,
                               const std::vector<TextRange>& pieces) {
  const bool metaspace = step.kind == PreTokenizerStep::Kind::metaspace;
  AlignedText all;
  std::vector<TextRange> out;
  for (const TextRange& range : pieces) {
    AlignedText piece{text.text.substr(range.begin, range.end - range.begin)};
    if (metaspace) piece = replace_aligned(piece, " ", step.space);
    if (prepends(step, piece.text, at_start && text.origin(range.begin) == 0))
      piece = prepend_aligned(piece, metaspace ? step.space : " ");
    const size_t begin = all.text.size();
    for (size_t i = 0; i < piece.text.size(); ++i)
      all.origins.push_back(uint32_t(text.origin(range.begin + piece.origin(i))));
    all.text += piece.text;
    out.push_back({begin, all.text.size()});
  }
  text = std::move(all);
  return out;
}

}  // namespace

Regex::Regex(const std::string& pattern, const std::string& where) {
  const std::string text = with_unicode_space(pattern);
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                   PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
  if (!code) {
    unsigned char reason[256];
    pcre2_get_error_message(error, reason, sizeof reason);
    throw Error(where + ": pattern '" + pattern +
                "' is no valid regular expression: " + reinterpret_cast<const char*>(reason));
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  code_ =
      std::shared_ptr<void>(code, [](void* c) { pcre2_code_free(static_cast<pcre2_code*>(c)); });
}

bool Regex::find(std::string_view text, size_t from, size_t* begin, size_t* end) const {
  thread_local std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
  const int count = pcre2_match(static_cast<const pcre2_code*>(code_.get()),
                                reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                                from > 0 ? PCRE2_NO_UTF_CHECK : 0, data.get(), nullptr);
  if (count == PCRE2_ERROR_NOMATCH) return false;
  if (count < 0) throw Error("tokenizer: the text is no valid UTF-8 or too hard for the pattern");
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data.get());
  *begin = offsets[0];
  *end = offsets[1];
  return true;
}

PreTokenizerStep split_step(const std::string& pattern, const std::string& where) {
  PreTokenizerStep step;
  step.regex.emplace_back(pattern, where);
  return step;
}

std::string escaped_pattern(const std::string& literal) {
  std::string out;
  for (const char c : literal) {
    if (std::string_view("\\^$.|?*+()[]{}-#").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::vector<TextRange> pre_tokenize(const std::vector<PreTokenizerStep>& steps, bool at_start,
                                    AlignedText& text) {
  std::vector<TextRange> pieces{{0, text.text.size()}};
  for (const PreTokenizerStep& step : steps) {
    if (step.kind != PreTokenizerStep::Kind::split) pieces = rewrite(step, at_start, text, pieces);
    if (step.regex.empty()) continue;
    std::vector<TextRange> finer;
    const std::string_view whole = text.text;
    for (const TextRange& piece : pieces)
      split(step, whole.substr(piece.begin, piece.end - piece.begin), piece.begin, finer);
    pieces = std::move(finer);
  }
  return pieces;
}

}  // namespace tptt
