#pragma once

#include <vector>

#include "data/tokenizer.h"
#include "models/causal_lm.h"

namespace tptt {

/// What texts have in common at their beginning, computed once.
struct Prefix {
  int64_t length = 0;  // tokens; 0: nothing is shared
  DecodeCache cache;   // of one sequence

  /// What `count` sequences continue.
  Past past(size_t count) const {
    return length > 0 ? Past{&cache, std::vector<int64_t>(count, 0)} : Past();
  }
};

/// Whether a text can be continued from a cache of its beginning: not with the package's operator,
/// whose chunks begin with the text, nor, at any speed, where the memory is activated.
bool continues_caches(const CausalLM& model, Branch branch);

/// The shared beginning of the texts (none empty), without the last token of any. `longest` is what
/// they will grow to. Nothing where it is not worth a forward of its own.
Prefix compute_prefix(const CausalLM& model, const std::vector<const TokenIds*>& texts,
                      int64_t longest, Branch branch);

}  // namespace tptt
