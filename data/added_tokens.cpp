#include "data/added_tokens.h"

#include <utf8proc.h>

#include "models/formats/error.h"

namespace tptt {
namespace {

uint64_t edge(uint32_t node, char c) {
  return uint64_t(node) << 8 | uint8_t(c);
}

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

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens, bool normalized,
                         const std::string& where)
    : ends_{-1} {
  for (const AddedToken& token : tokens) {
    if (token.text.empty() || token.normalized != normalized) continue;
    if (token.text.size() > kLongestAddedToken)
      throw Error(where + ": added token " + std::to_string(token.id) + " has " +
                  std::to_string(token.text.size()) + " bytes; expected at most " +
                  std::to_string(kLongestAddedToken));
    uint32_t node = 0;
    for (const char c : token.text) {
      const auto [to, fresh] = next_.emplace(edge(node, c), uint32_t(ends_.size()));
      if (fresh) ends_.push_back(-1);
      node = to->second;
    }
    begins_[uint8_t(token.text[0])] = true;
    if (ends_[node] >= 0) continue;
    ends_[node] = int32_t(tokens_.size());
    tokens_.push_back(token);
  }
}

const AddedToken* AddedTokens::find_at(std::string_view text, size_t at) const {
  if (!begins_[uint8_t(text[at])]) return nullptr;
  int32_t longest = -1;
  uint32_t node = 0;
  for (; at < text.size(); ++at) {
    const auto to = next_.find(edge(node, text[at]));
    if (to == next_.end()) break;
    node = to->second;
    if (ends_[node] >= 0) longest = ends_[node];
  }
  return longest < 0 ? nullptr : &tokens_[size_t(longest)];
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
