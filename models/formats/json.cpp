#include "models/formats/json.h"

#include <cmath>
#include <set>
#include <vector>

#include "models/formats/error.h"
#include "models/formats/tensor_file.h"

namespace tptt {
namespace {

constexpr int kMaxDepth = 64;

const Json* find(const Json& object, const std::string& key, const std::string& where) {
  if (!object.is_object()) throw Error(where + ": expected a JSON object");
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

const Json& require(const Json& object, const std::string& key, const std::string& where) {
  const Json* value = find(object, key, where);
  if (!value) throw Error(where + ": key '" + key + "' is missing");
  return *value;
}

[[noreturn]] void wrong_type(const Json& value, const std::string& key, const std::string& where,
                             const char* expected) {
  throw Error(where + ": key '" + key + "' must be " + expected + ", got " +
              value.dump().substr(0, 40));
}

int64_t as_int(const Json& value, const std::string& key, const std::string& where) {
  if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t(INT64_MAX))
    wrong_type(value, key, where, "a 64-bit integer");
  if (!value.is_number_integer()) wrong_type(value, key, where, "an integer");
  return value.get<int64_t>();
}

double as_number(const Json& value, const std::string& key, const std::string& where) {
  if (!value.is_number() || !std::isfinite(value.get<double>()))
    wrong_type(value, key, where, "a finite number");
  return value.get<double>();
}

bool as_bool(const Json& value, const std::string& key, const std::string& where) {
  if (!value.is_boolean()) wrong_type(value, key, where, "true or false");
  return value.get<bool>();
}

std::string as_string(const Json& value, const std::string& key, const std::string& where) {
  if (!value.is_string()) wrong_type(value, key, where, "a string");
  return value.get<std::string>();
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> keys;
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxDepth)
      throw Error(where + ": JSON is nested deeper than " + std::to_string(kMaxDepth));
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
      throw Error(where + ": duplicate key '" + parsed.get<std::string>() + "'");
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (const Json::exception& e) {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: ..." without its prefix.
    const std::string what = e.what();
    const size_t end = what.find("] ");
    throw Error(where +
                ": no valid JSON: " + (end == std::string::npos ? what : what.substr(end + 2)));
  }
}

Json read_json_file(const std::filesystem::path& path, uint64_t max_bytes) {
  const ReadFile file(path.string());
  if (file.size() > max_bytes)
    throw Error(path.string() + ": larger than the " + std::to_string(max_bytes >> 20) +
                " MiB a JSON file here may have");
  std::string text(file.size(), '\0');
  file.read(0, text.data(), text.size());
  return parse_json(text, path.string());
}

int64_t json_int(const Json& object, const std::string& key, const std::string& where) {
  return as_int(require(object, key, where), key, where);
}
double json_number(const Json& object, const std::string& key, const std::string& where) {
  return as_number(require(object, key, where), key, where);
}
bool json_bool(const Json& object, const std::string& key, const std::string& where) {
  return as_bool(require(object, key, where), key, where);
}
std::string json_string(const Json& object, const std::string& key, const std::string& where) {
  return as_string(require(object, key, where), key, where);
}

int64_t json_int(const Json& object, const std::string& key, const std::string& where,
                 int64_t fallback) {
  const Json* value = find(object, key, where);
  return value ? as_int(*value, key, where) : fallback;
}
double json_number(const Json& object, const std::string& key, const std::string& where,
                   double fallback) {
  const Json* value = find(object, key, where);
  return value ? as_number(*value, key, where) : fallback;
}
bool json_bool(const Json& object, const std::string& key, const std::string& where,
               bool fallback) {
  const Json* value = find(object, key, where);
  return value ? as_bool(*value, key, where) : fallback;
}
std::string json_string(const Json& object, const std::string& key, const std::string& where,
                        const std::string& fallback) {
  const Json* value = find(object, key, where);
  return value ? as_string(*value, key, where) : fallback;
}

}  // namespace tptt
