#include <algorithm>

#include "data/tasks/task_rows.h"
#include "data/utf8.h"
#include "models/formats/error.h"
#include "models/formats/names.h"

namespace tptt {
namespace {

int64_t find_answer(const Json& answer, const std::string& key,
                    const std::vector<std::string>& labels, const std::string& where) {
  const int64_t count = int64_t(labels.size());
  if (answer.is_number_integer()) {
    const int64_t index = answer.is_number_unsigned() && answer.get<uint64_t>() > uint64_t(count)
                              ? count
                              : answer.get<int64_t>();
    if (index >= 0 && index < count) return index;
    throw Error(where + ": \"" + key + "\" is " + answer.dump() + "; expected 0 to " +
                std::to_string(count - 1) + ", the index of a choice");
  }
  if (!answer.is_string())
    throw Error(where + ": expected \"" + key + "\" to be an index from 0 or one of " +
                one_of(labels) + ", got " + answer.type_name());
  const std::string text = strip(answer.get<std::string>());
  const auto found = std::find(labels.begin(), labels.end(), text);
  if (found == labels.end())
    throw Error(where + ": \"" + key + "\" is \"" + text + "\"; expected " + one_of(labels));
  return found - labels.begin();
}

}  // namespace

std::string choice_letter(size_t i) {
  return std::string(1, char('A' + i));
}

std::string one_of(const std::vector<std::string>& names) {
  return list_names(
      names, [](const std::string& name) { return name; }, " or ");
}

std::vector<std::string> json_texts(const Json& row, const std::string& key,
                                    const std::string& where, size_t least) {
  const auto found = row.find(key);
  if (found == row.end() || !found->is_array() || found->size() < least)
    throw Error(where + ": expected \"" + key + "\" to be a list of at least " +
                std::to_string(least) + " texts");
  std::vector<std::string> texts;
  for (const Json& text : *found) {
    if (!text.is_string())
      throw Error(where + ": expected \"" + key + "\" to hold texts, got " + text.type_name());
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

void read_choices(const Json& row, const std::string& where, Doc& doc) {
  const auto choices = row.find("choices");
  std::vector<std::string> labels;
  if (choices != row.end() && choices->is_object()) {
    doc.choices = json_texts(*choices, "text", where, 2);
    labels = json_texts(*choices, "label", where, 2);
    if (labels.size() != doc.choices.size())
      throw Error(where + ": \"choices\" has " + std::to_string(doc.choices.size()) +
                  " texts and " + std::to_string(labels.size()) + " labels");
  } else {
    doc.choices = json_texts(row, "choices", where, 2);
    for (size_t i = 0; i < doc.choices.size(); ++i) labels.push_back(choice_letter(i));
  }
  const std::string key = row.contains("answerKey") ? "answerKey" : "answer";
  if (!row.contains(key)) throw Error(where + ": no \"answer\"; expected " + one_of(labels));
  doc.right = {find_answer(row[key], key, labels, where)};
}

}  // namespace tptt
