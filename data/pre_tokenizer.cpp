#include "data/pre_tokenizer.h"

#include <algorithm>

namespace tptt {

const char* const kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

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
                               const std::vector<TextRange>& pieces, size_t limit) {
  const bool metaspace = step.kind == PreTokenizerStep::Kind::metaspace;
  AlignedText all;
  std::vector<TextRange> out;
  for (const TextRange& range : pieces) {
    AlignedText piece{text.text.substr(range.begin, range.end - range.begin)};
    const size_t left = limit - std::min(limit, all.text.size());
    if (metaspace) piece = replace_aligned(piece, " ", step.space, left);
    if (prepends(step, piece.text, at_start && text.origin(range.begin) == 0))
      piece = prepend_aligned(piece, metaspace ? step.space : " ", left);
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
  const size_t limit = longest_result(text.text.size());
  for (const PreTokenizerStep& step : steps) {
    if (step.kind != PreTokenizerStep::Kind::split)
      pieces = rewrite(step, at_start, text, pieces, limit);
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
