#pragma once

#include <string>
#include <string_view>

namespace tptt {

/// Refuses a SentencePiece precompiled_charsmap that libsentencepiece 0.1.97 would read outside of:
/// <size of the trie><darts-clone double array><texts, each ended by a NUL>. The checks are those
/// of sentencepiece 0.2.3 and, for what it caps as it goes, bounds on the trie's depth and on the
/// matches along a path. Throws Error naming `where`.
void check_precompiled_charsmap(std::string_view charsmap, const std::string& where);

}  // namespace tptt
