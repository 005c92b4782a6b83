#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace tptt {

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

/// A map by string that is searched by string_view, without a copy.
template <class Value>
using StringMap = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;

}  // namespace tptt
