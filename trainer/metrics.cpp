#include "trainer/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>

#include "models/formats/atomic_file.h"
#include "models/formats/error.h"
#include "models/formats/json.h"

namespace tptt {

namespace fs = std::filesystem;

std::string to_json_line(const MetricsRow& row) {
  nlohmann::ordered_json json = {{"step", row.step}, {"epoch", row.epoch}};
  const auto put = [&json](const char* name, const auto& value) {
    if (value) json[name] = *value;
  };
  put("loss", row.loss);
  put("learning_rate", row.learning_rate);
  put("mag_weight", row.mag_weight);
  put("grad_norm", row.grad_norm);
  put("target_tokens", row.target_tokens);
  put("tokens_per_second", row.tokens_per_second);
  put("step_seconds", row.step_seconds);
  put("peak_rss_gb", row.peak_rss_gb);
  put("eval_loss", row.eval_loss);
  if (row.liza) {
    const auto list = [](const std::vector<std::optional<double>>& values) {
      nlohmann::ordered_json out = nlohmann::ordered_json::array();
      for (const auto& value : values) value ? out.push_back(*value) : out.push_back(nullptr);
      return out;
    };
    json["liza"] = {{"mag_weight", list(row.liza->mag_weight)},
                    {"softmax_rms", list(row.liza->softmax_rms)},
                    {"linear_rms", list(row.liza->linear_rms)},
                    {"state_norm", list(row.liza->state_norm)}};
  }
  return json.dump();
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
