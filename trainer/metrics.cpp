#include "trainer/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "models/formats/atomic_file.h"
#include "models/formats/error.h"
#include "models/formats/json.h"

namespace tptt {

namespace fs = std::filesystem;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

void read_layers(const Json& json, const char* name, const std::string& where,
                 std::vector<std::optional<double>>& layers) {
  const auto it = json.find(name);
  if (it == json.end()) return;
  if (!it->is_array()) throw Error(where + ": liza." + name + " must be a list");
  for (const Json& value : *it) {
    if (!value.is_null() && !value.is_number())
      throw Error(where + ": liza." + name + " must hold numbers and nulls");
    layers.push_back(value.is_null() ? std::nullopt : std::optional(value.get<double>()));
  }
}

MetricsRow row_from_json(const Json& json, const std::string& where) {
  MetricsRow row;
  row.step = json_int(json, "step", where);
  row.epoch = json_number(json, "epoch", where);
  visit_scalars(row, [&]<class Number>(const char* name, std::optional<Number>& value) {
    if (!json.contains(name)) return;
    if constexpr (std::is_same_v<Number, double>) {
      value = json_number(json, name, where, kNan);
    } else {
      value = json_int(json, name, where);
    }
  });
  if (const auto it = json.find("liza"); it != json.end() && it->is_object())
    visit_layers(row.liza.emplace(),
                 [&](const char* name, auto& layers) { read_layers(*it, name, where, layers); });
  return row;
}

}  // namespace

std::string to_json_line(const MetricsRow& row) {
  nlohmann::ordered_json json = {{"step", row.step}, {"epoch", row.epoch}};
  visit_scalars(row, [&json](const char* name, const auto& value) {
    if (value) json[name] = *value;
  });
  if (row.liza) {
    visit_layers(*row.liza, [&json](const char* name, const auto& values) {
      auto& list = json["liza"][name] = nlohmann::ordered_json::array();
      for (const auto& value : values) value ? list.push_back(*value) : list.push_back(nullptr);
    });
  }
  return json.dump();
}

std::vector<MetricsRow> read_metrics(const fs::path& path) {
  std::vector<MetricsRow> rows;
  if (!fs::exists(path)) return rows;
  std::ifstream file(path);
  if (!file) throw Error(path.string() + ": cannot be opened for reading");
  for (std::string line; std::getline(file, line);) {
    const std::string where = path.string() + ":" + std::to_string(rows.size() + 1);
    rows.push_back(row_from_json(parse_json(line, where), where));
  }
  return rows;
}

void truncate_metrics(const fs::path& path, int64_t step) {
  if (!fs::exists(path)) return;
  std::ifstream file(path);
  if (!file) throw Error(path.string() + ": cannot be opened for reading");
  std::string kept;
  int64_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (file.eof()) break;  // no newline: cut off in the middle
    const std::string where = path.string() + ":" + std::to_string(number);
    if (json_int(parse_json(line, where), "step", where) <= step) kept += line + "\n";
  }
  file.close();
  write_file_atomic(path.string(), kept);
}

void append_metrics(const fs::path& path, const MetricsRow& row) {
  const std::string line = to_json_line(row) + "\n";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const bool whole =
      fd >= 0 && ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  const std::string why = std::strerror(errno);
  if (fd >= 0) ::close(fd);
  if (!whole) throw Error(path.string() + ": cannot be appended to: " + why);
}

}  // namespace tptt
