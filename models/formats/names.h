#pragma once

#include <string>

namespace tptt {

/// What a message lists of a table: "a, b, c", with `last` = " or " "a, b or c". `name` gives the
/// name of an item.
template <class Table, class Name>
std::string list_names(const Table& table, Name name, const char* last = ", ") {
  std::string text;
  const auto end = std::end(table);
  for (auto item = std::begin(table); item != end; ++item) {
    if (item != std::begin(table)) text += std::next(item) == end ? last : ", ";
    text += std::string(name(*item));
  }
  return text;
}

}  // namespace tptt
