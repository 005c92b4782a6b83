#include "models/formats/json.h"

#include <cmath>
#include <vector>

#include "models/formats/error.h"
#include "models/formats/tensor_file.h"

namespace tptt {
namespace {

constexpr size_t kMaxDepth = 64;

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

/// Makes the value of nlohmann's events. With a callback its own parser looks through all of a list
/// at the end of each object in it, and it keeps the last of two like keys.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(const std::string& where) : where_(where) {}

  Json root;

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(int64_t value) override { return put(value); }
  bool number_unsigned(uint64_t value) override { return put(value); }
  bool number_float(double value, const std::string&) override { return put(value); }
  bool string(std::string& value) override { return put(std::move(value)); }
  bool binary(Json::binary_t&) override { return false; }  // JSON has none
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    const auto [at, fresh] = open_.back()->get_ref<Json::object_t&>().emplace(name, nullptr);
    if (!fresh) throw Error(where_ + ": duplicate key '" + name + "'");
    member_ = &at->second;
    return true;
  }

  bool parse_error(size_t, const std::string&, const Json::exception& e) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: ..." without its prefix.
    const std::string what = e.what();
    const size_t end = what.find("] ");
    throw Error(where_ +
                ": no valid JSON: " + (end == std::string::npos ? what : what.substr(end + 2)));
  }

 private:
  Json& add(Json value) {
    if (open_.empty()) return root = std::move(value);
    if (open_.back()->is_array()) return open_.back()->emplace_back(std::move(value));
    return *member_ = std::move(value);
  }
  bool put(Json value) {
    add(std::move(value));
    return true;
  }
  bool open(Json value) {
    if (open_.size() >= kMaxDepth)
      throw Error(where_ + ": JSON is nested deeper than " + std::to_string(kMaxDepth));
    open_.push_back(&add(std::move(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& where_;
  std::vector<Json*> open_;  // a list does not grow, and so move, while one in it is open
  Json* member_ = nullptr;   // whose key was read
};

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  Builder builder(where);
  Json::sax_parse(text, &builder);
  return std::move(builder.root);
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

Json read_json_object(const std::filesystem::path& path) {
  Json json = read_json_file(path);
  if (!json.is_object()) throw Error(path.string() + ": expected a JSON object");
  return json;
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
