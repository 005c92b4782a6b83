#include "models/formats/config_reader.h"

#include "models/formats/error.h"

namespace tptt {

const Json& ConfigReader::list(const char* key) const {
  static const Json none = Json::array();
  if (!has(key)) return none;
  if (!json_[key].is_array()) throw Error(where_ + ": key '" + key + "' must be a list");
  return json_[key];
}

std::vector<double> ConfigReader::numbers(const char* key) const {
  std::vector<double> all;
  for (const Json& value : list(key)) {
    if (!value.is_number()) throw Error(where_ + ": key '" + key + "' must hold numbers");
    all.push_back(value.get<double>());
  }
  return all;
}

std::vector<int64_t> ConfigReader::integers(const char* key) const {
  std::vector<int64_t> all;
  for (const Json& value : list(key)) {
    const bool too_large =
        value.is_number_unsigned() && value.get<uint64_t>() > uint64_t(INT64_MAX);
    if (!value.is_number_integer() || too_large)
      throw Error(where_ + ": key '" + key + "' must hold integers");
    all.push_back(value.get<int64_t>());
  }
  return all;
}

std::vector<std::string> ConfigReader::strings(const char* key) const {
  std::vector<std::string> all;
  for (const Json& value : list(key)) {
    if (!value.is_string()) throw Error(where_ + ": key '" + key + "' must hold strings");
    all.push_back(value.get<std::string>());
  }
  return all;
}

ConfigReader ConfigReader::object(const char* key) const {
  if (!has(key) || !json_[key].is_object())
    throw Error(where_ + ": key '" + key + "' must be an object");
  return {json_[key], where_ + ": " + key};
}

void check_size(const std::string& where, const char* key, int64_t value, int64_t limit) {
  if (value < 1 || value > limit)
    throw Error(where + ": " + key + " must be from 1 to " + std::to_string(limit) + ", got " +
                std::to_string(value));
}

}  // namespace tptt
