#include "data/decoder.h"

#include <charconv>

#include "data/byte_level.h"
#include "data/utf8.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

// Takes what can be shown from the front of `bytes`; an unfinished character stays.
std::string take_ready(std::string& bytes) {
  size_t keep = valid_utf8_prefix(bytes);
  if (keep < bytes.size() && !is_incomplete_utf8(std::string_view(bytes).substr(keep))) {
    // Some byte can never become a character: show it as such, keep an unfinished end.
    keep = bytes.size();
    for (size_t tail = 1; tail <= 3 && tail <= bytes.size(); ++tail)
      if (is_incomplete_utf8(std::string_view(bytes).substr(bytes.size() - tail)))
        keep = bytes.size() - tail;
  }
  std::string out = utf8_lossy(std::string_view(bytes).substr(0, keep));
  bytes.erase(0, keep);
  return out;
}

// Steps one after another may each make several of what the one before made.
std::string replaced(const std::string& token, const DecoderStep& rule) {
  constexpr size_t kMost = 1 << 16;
  std::string text = replace_all(token, rule.pattern, rule.content);
  if (text.size() > kMost && text.size() > token.size())
    throw Error("tokenizer: its decoder makes more than " + std::to_string(kMost) +
                " bytes of a token; expected a tokenizer.json as its family's");
  return text;
}

}  // namespace

int byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(token.data() + 3, token.data() + 5, value, 16);
  return error == std::errc() && end == token.data() + 5 ? int(value) : -1;
}

std::string token_of_byte(uint8_t byte) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  return {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t at = 0;
  for (size_t hit; (hit = text.find(from, at)) != std::string_view::npos; at = hit + from.size())
    out.append(text.substr(at, hit - at)).append(to);
  return out.append(text.substr(at));
}

std::string Decoder::push(std::string_view token) {
  std::string out;
  feed(0, std::string(token), out);
  return out;
}

std::string Decoder::finish() {
  std::string out;
  for (size_t step = 0; step < steps_.size(); ++step) {
    if (steps_[step].kind == DecoderStep::Kind::byte_fallback) flush_bytes(step, out);
    std::string& pending = states_[step].pending;
    if (pending.empty()) continue;
    feed(step + 1, utf8_lossy(pending), out);
    pending.clear();
  }
  return out;
}

void Decoder::feed(size_t step, std::string token, std::string& out) {
  if (step == steps_.size()) {
    out += token;
    return;
  }
  const DecoderStep& rule = steps_[step];
  State& state = states_[step];
  switch (rule.kind) {
    case DecoderStep::Kind::byte_level:
      state.pending += token_to_bytes(token);
      feed(step + 1, take_ready(state.pending), out);
      break;
    case DecoderStep::Kind::metaspace:
      feed(step + 1, replace_all(token, rule.pattern, rule.drop_first && !state.started ? "" : " "),
           out);
      break;
    case DecoderStep::Kind::replace:
      feed(step + 1, replaced(token, rule), out);
      break;
    case DecoderStep::Kind::byte_fallback:
      if (const int byte = byte_of_token(token); byte >= 0) {
        state.pending += char(byte);
      } else {
        flush_bytes(step, out);
        feed(step + 1, std::move(token), out);
      }
      break;
    case DecoderStep::Kind::fuse:
      feed(step + 1, std::move(token), out);
      break;
    case DecoderStep::Kind::strip:
      strip(step, std::move(token), out);
      break;
  }
  state.started = true;
}

// A run of byte tokens is text as a whole or not at all.
void Decoder::flush_bytes(size_t step, std::string& out) {
  std::string bytes;
  bytes.swap(states_[step].pending);
  if (bytes.empty()) return;
  if (valid_utf8_prefix(bytes) == bytes.size()) {
    feed(step + 1, std::move(bytes), out);
  } else {
    for (size_t i = 0; i < bytes.size(); ++i) feed(step + 1, "\xEF\xBF\xBD", out);
  }
}

// After fuse the whole text is one token.
void Decoder::strip(size_t step, std::string token, std::string& out) {
  const DecoderStep& rule = steps_[step];
  State& state = states_[step];
  const bool fused = step > 0 && (steps_[step - 1].kind == DecoderStep::Kind::fuse ||
                                  steps_[step - 1].kind == DecoderStep::Kind::byte_level);
  if (!fused) state.taken = 0, state.passed = false;
  std::string_view rest = token;
  while (!state.passed && state.taken < rule.start && rest.starts_with(rule.pattern)) {
    rest.remove_prefix(rule.pattern.size());
    ++state.taken;
  }
  state.passed = state.passed || !rest.empty();
  feed(step + 1, std::string(rest), out);
}

std::string piece_bytes(std::string_view token) {
  const int byte = byte_of_token(token);
  return byte >= 0 ? std::string(1, char(byte)) : replace_all(token, kSpaceSymbol, " ");
}

}  // namespace tptt
