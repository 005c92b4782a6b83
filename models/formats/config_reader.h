#pragma once

#include <string>
#include <vector>

#include "models/formats/json.h"

namespace tptt {

/// Reads keys of a config.json; null counts as absent where there is a fallback. Errors name the
/// file and the key.
class ConfigReader {
 public:
  ConfigReader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  const std::string& where() const { return where_; }
  /// True when the key is there and not null.
  bool has(const char* key) const { return json_.contains(key) && !json_[key].is_null(); }
  /// True when the key is there, if only as null.
  bool names(const char* key) const { return json_.contains(key); }

  int64_t integer(const char* key) const { return json_int(json_, key, where_); }
  int64_t integer(const char* key, int64_t fallback) const {
    return json_int(json_, key, where_, fallback);
  }
  double number(const char* key) const { return json_number(json_, key, where_); }
  double number(const char* key, double fallback) const {
    return json_number(json_, key, where_, fallback);
  }
  bool boolean(const char* key, bool fallback) const {
    return json_bool(json_, key, where_, fallback);
  }
  std::string string(const char* key, const std::string& fallback) const {
    return json_string(json_, key, where_, fallback);
  }
  /// Lists; empty when the key is absent.
  std::vector<double> numbers(const char* key) const;
  std::vector<int64_t> integers(const char* key) const;
  std::vector<std::string> strings(const char* key) const;
  /// The object under `key`, which must be one.
  ConfigReader object(const char* key) const;

 private:
  const Json& list(const char* key) const;

  const Json& json_;
  std::string where_;
};

/// Throws Error when a size is not from 1 to `limit`.
void check_size(const std::string& where, const char* key, int64_t value, int64_t limit);

inline constexpr int64_t kMaxSize = int64_t(1) << 24;  // any one dimension

}  // namespace tptt
