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
  while (from < text.size() && step.regex.find(text, from, &begin, &end)) {
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

void split(const PreTokenizerStep& step, std::string_view text,
           std::vector<std::string_view>& out) {
  size_t begin = 0;
  bool previous_match = false;
  const std::vector<Match> parts = segments(step, text);
  for (size_t i = 0; i < parts.size(); ++i) {
    const Match& part = parts[i];
    switch (step.behavior) {
      case SplitBehavior::isolated:
        out.push_back(text.substr(part.begin, part.end - part.begin));
        break;
      case SplitBehavior::removed:
        if (!part.is_match) out.push_back(text.substr(part.begin, part.end - part.begin));
        break;
      case SplitBehavior::contiguous:
        if (i + 1 == parts.size() || parts[i + 1].is_match != part.is_match) {
          out.push_back(text.substr(begin, part.end - begin));
          begin = part.end;
        }
        break;
      case SplitBehavior::merged_with_previous:
        if (part.is_match && !previous_match && !out.empty() &&
            out.back().data() + out.back().size() == text.data() + part.begin && i > 0) {
          out.back() =
              std::string_view(out.back().data(), out.back().size() + part.end - part.begin);
        } else {
          out.push_back(text.substr(part.begin, part.end - part.begin));
        }
        previous_match = part.is_match;
        break;
      case SplitBehavior::merged_with_next:
        if (part.is_match && i + 1 < parts.size() && !parts[i + 1].is_match)
          break;  // joins the next
        begin = i > 0 && !part.is_match && parts[i - 1].is_match ? parts[i - 1].begin : part.begin;
        out.push_back(text.substr(begin, part.end - begin));
        break;
    }
  }
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

std::vector<std::string_view> pre_tokenize(const std::vector<PreTokenizerStep>& steps,
                                           std::string_view text) {
  std::vector<std::string_view> pieces{text};
  for (const PreTokenizerStep& step : steps) {
    std::vector<std::string_view> finer;
    for (const std::string_view piece : pieces) split(step, piece, finer);
    pieces = std::move(finer);
  }
  return pieces;
}

}  // namespace tptt
