#pragma once

#include <string>

namespace tptt {

/// lighteval's helm_normalizer: words at blanks and hyphens in lower case, without punctuation and
/// English articles, numbers as Python writes floats.
std::string helm_normalized(const std::string& text);

/// How lighteval 0.8 compares what a model wrote with the answer; an empty text matches nothing.
struct ExactMatches {
  bool em, qem, pem, pqem;  // exact, quasi (normalised), prefix, prefix quasi
};
ExactMatches exact_matches(const std::string& answer, const std::string& written);

/// The number that GSM8K's answers end with, as lm-evaluation-harness finds it in what a model
/// wrote: after "#### ", or the last of all; "[invalid]" where there is none.
std::string gsm8k_strict(const std::string& written);
std::string gsm8k_flexible(const std::string& written);

/// Whether such a number is an answer's: commas, dollars, what leads to "#### " and a last full
/// stop do not count.
bool gsm8k_equal(const std::string& answer, const std::string& number);

}  // namespace tptt
