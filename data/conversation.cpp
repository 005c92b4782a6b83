#include "data/conversation.h"

#include "data/formats.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

std::string key_named(const char* key) {
  return std::string("key '") + key + "'";
}

// Axolotl's `train`, OpenAI's `weight`.
std::optional<bool> read_train(const Json& item, const std::string& where) {
  const auto given = [&](const char* key) { return item.contains(key) && !item[key].is_null(); };
  std::optional<bool> train;
  if (given("train")) train = json_bool(item, "train", where);
  if (!given("weight")) return train;
  const double weight = json_number(item, "weight", where);
  if (weight != 0 && weight != 1)
    throw Error(where + ": key 'weight' must be 0 or 1, got " + item["weight"].dump());
  if (train && *train != (weight == 1))
    throw Error(where + ": keys 'train' and 'weight' say different things; give one of them");
  return weight == 1;
}

Message read_message(const Json& item, const std::string& where, bool first,
                     const ConversationKeys& keys) {
  if (!item.is_object())
    throw Error(where + ": expected an object {" + keys.role + ", " + keys.content + "}, got " +
                item.type_name());
  const std::string name = json_string(item, keys.role, where);
  Message message;
  message.role = keys.to_role(name);
  if (message.role.empty())
    throw Error(where + ": " + key_named(keys.role) + " is " + json_quoted(name) + "; expected " +
                keys.role_names);
  if (message.role == "system" && !first)
    throw Error(where + ": " + key_named(keys.role) +
                " is 'system'; expected it in the first message only");
  const bool answer = message.role == "assistant";
  message.content =
      answer ? required_text(item, keys.content, where) : json_string(item, keys.content, where);
  message.train = read_train(item, where);
  if (message.role == "system" && message.train.value_or(false))
    throw Error(where + ": a system message does not train; expected 'train' false or no such key");
  return message;
}

}  // namespace

Row read_conversation(const Json& row, const std::string& where, const ConversationKeys& keys) {
  const std::string list = key_named(keys.list);
  if (!row.contains(keys.list)) throw Error(where + ": " + list + " is missing");
  const Json& items = row[keys.list];
  if (!items.is_array() || items.empty())
    throw Error(where + ": " + list + " must be a list of {" + keys.role + ", " + keys.content +
                "}, got " + (items.is_array() ? "an empty one" : items.type_name()));
  Row out;
  out.where = where;
  for (const Json& item : items) {
    const size_t index = out.messages.size();
    const std::string at = where + ": " + keys.list + "[" + std::to_string(index) + "]";
    out.messages.push_back(read_message(item, at, index == 0, keys));
  }
  if (out.messages.back().role != "assistant")
    throw Error(where + ": the last of '" + keys.list + "' must be the assistant's, got '" +
                out.messages.back().role + "'");
  return out;
}

}  // namespace tptt
