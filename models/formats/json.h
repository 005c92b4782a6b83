#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace tptt {

using Json = nlohmann::json;

/// Parses JSON from outside. Unlike nlohmann::json::parse it refuses duplicate keys and nesting
/// deeper than 64. `where` names the source ("data.jsonl:12") in messages.
/// Throws Error.
Json parse_json(std::string_view text, const std::string& where);

/// Reads and parses a whole JSON file of at most `max_bytes`. Throws Error.
Json read_json_file(const std::filesystem::path& path, uint64_t max_bytes = 256ull << 20);

/// The same of a file that must hold an object. Throws Error.
Json read_json_object(const std::filesystem::path& path);

/// The value of `key` in `object` as the asked type; Error when missing or of another type.
/// Numbers are checked: 2.5 or -1 is no count, 1e30 no int64.
int64_t json_int(const Json& object, const std::string& key, const std::string& where);
double json_number(const Json& object, const std::string& key, const std::string& where);
bool json_bool(const Json& object, const std::string& key, const std::string& where);
std::string json_string(const Json& object, const std::string& key, const std::string& where);

/// As above, but `fallback` when the key is missing or null.
int64_t json_int(const Json& object, const std::string& key, const std::string& where,
                 int64_t fallback);
double json_number(const Json& object, const std::string& key, const std::string& where,
                   double fallback);
bool json_bool(const Json& object, const std::string& key, const std::string& where, bool fallback);
std::string json_string(const Json& object, const std::string& key, const std::string& where,
                        const std::string& fallback);

}  // namespace tptt
