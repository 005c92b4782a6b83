#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "data/tasks/answers.h"
#include "data/utf8.h"

namespace tptt {
namespace {

std::string without_punctuation(std::string text) {
  static constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
  std::erase_if(text, [](char c) { return kPunctuation.find(c) != std::string_view::npos; });
  return text;
}

// Python's repr of a float that is a whole number, infinite or none.
std::string python_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return "inf";
  char buffer[32];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string text(buffer, end);  // "1.25e+03"
  const size_t e = text.find('e');
  const int exponent = std::stoi(text.substr(e + 1));
  if (exponent >= 16) return text;
  std::string digits = text.substr(0, e);
  std::erase(digits, '.');
  digits.resize(size_t(exponent) + 1, '0');
  return digits + ".0";
}

// What Python's float() takes and has no punctuation: "12", "1e5", "inf", "nan".
std::string as_number(const std::string& text) {
  const std::string stripped = strip(text);
  if (stripped == "nan" || stripped == "inf" || stripped == "infinity")
    return stripped.substr(0, 3);
  const char *begin = stripped.data(), *end = begin + stripped.size();
  const bool plain = !stripped.empty() && std::all_of(begin, end, [](char c) {
    return (c >= '0' && c <= '9') || c == 'e';
  });
  double value = 0;
  if (!plain) return text;
  const auto [at, error] = std::from_chars(begin, end, value);
  if (at != end) return text;
  return python_float(error == std::errc::result_out_of_range ? HUGE_VAL : value);
}

// Articles that stand alone become blanks.
std::string without_articles(const std::string& text) {
  std::string out;
  bool after_word = false;
  for (size_t at = 0; at < text.size();) {
    size_t taken = 0;
    for (const std::string_view article : {"a", "an", "the"}) {
      const size_t end = at + article.size();
      if (!after_word && text.compare(at, article.size(), article) == 0 &&
          (end == text.size() || !is_word(text, end)))
        taken = article.size();
    }
    out += taken ? " " : text.substr(at, 1);
    // Of a character's later bytes the first has said it.
    if ((uint8_t(text[at]) & 0xC0) != 0x80) after_word = is_word(text, at);
    at += std::max<size_t>(taken, 1);
  }
  return out;
}

}  // namespace

std::string helm_normalized(const std::string& text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find_first_of(" -", begin), text.size());
    const std::string piece = without_punctuation(lower(text.substr(begin, end - begin)));
    for (std::string& word : split(without_articles(as_number(piece))))
      words.push_back(std::move(word));
    begin = end + 1;
  }
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

ExactMatches exact_matches(const std::string& answer, const std::string& written) {
  if (written.empty()) return {};
  const std::string plain = strip(answer), text = strip(written);
  const std::string normal = helm_normalized(answer), normal_text = helm_normalized(written);
  return {text == plain, normal_text == normal, text.starts_with(plain),
          normal_text.starts_with(normal)};
}

}  // namespace tptt
