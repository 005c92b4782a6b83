#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"

namespace tptt {

/// A text as windows of at most `length` tokens, one after another without overlap.
struct TextWindows {
  std::vector<Example> windows;  // every token but a window's first is a target
  int64_t num_bytes = 0;         // of the text
};

/// Reads and tokenises a UTF-8 text file. Throws Error when it is no UTF-8 or too short to score.
TextWindows read_text_windows(const std::string& path, const Tokenizer& tokenizer, int64_t length);

}  // namespace tptt
