#include "data/added_tokens.h"

#include <utf8proc.h>

#include <algorithm>
#include <functional>

namespace tptt {
namespace {

int32_t codepoint_at(std::string_view text, size_t at, size_t* length) {
  utf8proc_int32_t code = 0;
  const auto n = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                                  utf8proc_ssize_t(text.size() - at), &code);
  *length = n > 0 ? size_t(n) : 1;
  return n > 0 ? code : -1;
}

size_t previous_start(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && (text[at] & 0xC0) == 0x80) --at;
  return at;
}

bool is_word(int32_t code) {
  if (code < 0) return false;
  const auto category = utf8proc_category(code);
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_ME) ||
         category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_PC;
}

bool is_space(int32_t code) {
  if (code < 0) return false;
  const auto category = utf8proc_category(code);
  return (code >= 9 && code <= 13) || code == 0x85 ||
         (category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP);
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  size_t length = 0;
  if (begin > 0 && is_word(codepoint_at(text, previous_start(text, begin), &length))) return false;
  return end >= text.size() || !is_word(codepoint_at(text, end, &length));
}

void strip(std::string_view text, const AddedToken& token, size_t floor, size_t* begin,
           size_t* end) {
  size_t length = 0;
  while (token.lstrip && *begin > floor) {
    const size_t at = previous_start(text, *begin);
    if (at < floor || !is_space(codepoint_at(text, at, &length))) break;
    *begin = at;
  }
  while (token.rstrip && *end < text.size() && is_space(codepoint_at(text, *end, &length)))
    *end += length;
}

}  // namespace

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens, bool normalized) {
  for (const AddedToken& token : tokens) {
    if (token.text.empty() || token.normalized != normalized) continue;
    tokens_.emplace(token.text, token);
    lengths_[uint8_t(token.text[0])].push_back(token.text.size());
  }
  for (std::vector<size_t>& lengths : lengths_) {
    std::sort(lengths.begin(), lengths.end(), std::greater<>());
    lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
  }
}

const AddedToken* AddedTokens::find_at(std::string_view text, size_t at) const {
  for (const size_t length : lengths_[uint8_t(text[at])]) {
    const auto found = tokens_.find(text.substr(at, length));
    if (found != tokens_.end() && found->first.size() == length) return &found->second;
  }
  return nullptr;
}

std::vector<TextSpan> AddedTokens::split(std::string_view text) const {
  std::vector<TextSpan> spans;
  size_t done = 0, at = 0;
  while (at < text.size()) {
    const AddedToken* found = find_at(text, at);
    if (!found) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + found->text.size();
    at = end;
    if (found->single_word && !stands_alone(text, begin, end)) continue;
    strip(text, *found, done, &begin, &end);
    if (begin > done) spans.push_back({text.substr(done, begin - done), -1});
    spans.push_back({text.substr(begin, end - begin), found->id});
    done = at = end;
  }
  if (done < text.size()) spans.push_back({text.substr(done), -1});
  return spans;
}

}  // namespace tptt
