#include "data/normalizer.h"

#include <algorithm>

#include "data/utf8.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

void check_size(size_t size, size_t limit) {
  if (size > limit)
    throw Error("tokenizer: it makes more than " + std::to_string(limit) +
                " bytes of a text; expected a tokenizer.json as its family's");
}

void append(AlignedText& out, std::string_view text, size_t from, bool same_place) {
  out.text += text;
  for (size_t i = 0; i < text.size(); ++i)
    out.origins.push_back(uint32_t(same_place ? from + i : from));
}

size_t next_character(std::string_view text, size_t at) {
  for (++at; at < text.size() && (text[at] & 0xC0) == 0x80;) ++at;
  return at;
}

// NFC cluster by cluster: a character begins a new cluster when it is no combining mark and does
// not compose with what is before it.
AlignedText nfc_aligned(std::string_view text) {
  AlignedText out{nfc(text)};
  if (out.text == text) return out;
  out = {};
  for (size_t begin = 0, end = 0; begin < text.size(); begin = end) {
    end = next_character(text, begin);
    while (end < text.size() && is_mark(text, end)) end = next_character(text, end);
    std::string normal = nfc(text.substr(begin, end - begin));
    while (end < text.size() && uint8_t(text[end]) >= 0x80) {
      const size_t next = next_character(text, end);
      std::string longer = nfc(text.substr(begin, next - begin));
      if (longer == normal + nfc(text.substr(end, next - end))) break;
      normal = std::move(longer);
      end = next;
    }
    append(out, normal, begin, normal == text.substr(begin, end - begin));
  }
  return out;
}

AlignedText compose(const AlignedText& first, AlignedText second) {
  if (first.origins.empty()) return second;
  if (second.origins.empty()) {
    second.origins = first.origins;
  } else {
    for (uint32_t& origin : second.origins) origin = first.origins[origin];
  }
  return second;
}

}  // namespace

AlignedText replace_aligned(const AlignedText& text, std::string_view from, std::string_view to,
                            size_t limit) {
  const std::string_view in = text.text;
  if (in.find(from) == std::string_view::npos) return text;
  AlignedText out;
  out.text.reserve(in.size() * 2);
  out.origins.reserve(in.size() * 2);
  size_t at = 0;
  for (size_t hit; (hit = in.find(from, at)) != std::string_view::npos; at = hit + from.size()) {
    append(out, in.substr(at, hit - at), at, true);
    append(out, to, hit, false);
    check_size(out.text.size(), limit);
  }
  append(out, in.substr(at), at, true);
  check_size(out.text.size(), limit);
  return compose(text, std::move(out));
}

AlignedText prepend_aligned(const AlignedText& text, std::string_view content, size_t limit) {
  if (text.text.empty()) return text;
  check_size(text.text.size() + content.size(), limit);
  AlignedText out;
  append(out, content, 0, false);
  append(out, text.text, 0, true);
  return compose(text, std::move(out));
}

size_t longest_result(size_t bytes) {
  return std::min<size_t>(64 * bytes + (1 << 18), UINT32_MAX);
}

AlignedText normalize(const std::vector<NormalizerStep>& steps, std::string_view text) {
  return normalize(steps, text, longest_result(text.size()));
}

AlignedText normalize(const std::vector<NormalizerStep>& steps, std::string_view text,
                      size_t limit) {
  AlignedText out{std::string(text)};
  for (const NormalizerStep& step : steps) {
    switch (step.kind) {
      case NormalizerStep::Kind::nfc:
        out = compose(out, nfc_aligned(out.text));
        break;
      case NormalizerStep::Kind::prepend:
        out = prepend_aligned(out, step.content, limit);
        break;
      case NormalizerStep::Kind::replace:
        out = replace_aligned(out, step.pattern, step.content, limit);
        break;
    }
  }
  return out;
}

}  // namespace tptt
