#include "trainer/evaluate/samples.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>

#include "data/line_reader.h"
#include "models/formats/error.h"
#include "models/formats/json.h"

namespace tptt {
namespace {

Json to_line(const Sample& sample) {
  Json line = {{"task", sample.task},
               {"doc_id", sample.doc_id},
               {"doc_hash", sample.doc_hash},
               {"prediction", sample.prediction},
               {"target", sample.target}};
  if (!sample.log_likelihoods.empty()) line["loglikelihoods"] = sample.log_likelihoods;
  if (sample.log_likelihoods.empty()) line["response"] = sample.response;
  if (sample.truncated) line["truncated"] = true;
  line["scores"] = sample.scores;
  return line;
}

// JSON has no NaN; it is written as null.
double number_of(const Json& value) {
  return value.is_number() ? value.get<double>() : NAN;
}

Sample to_sample(const Json& line, const std::string& where) {
  Sample sample;
  sample.task = json_string(line, "task", where);
  sample.doc_id = json_int(line, "doc_id", where);
  sample.doc_hash = json_string(line, "doc_hash", where);
  sample.prediction = json_int(line, "prediction", where);
  sample.target = json_int(line, "target", where);
  sample.truncated = json_bool(line, "truncated", where, false);
  sample.response = json_string(line, "response", where, "");
  const auto numbers = line.find("loglikelihoods");
  if (numbers != line.end() && numbers->is_array())
    for (const Json& x : *numbers) sample.log_likelihoods.push_back(number_of(x));
  const auto scores = line.find("scores");
  if (scores == line.end() || !scores->is_object())
    throw Error(where + ": expected \"scores\" to be an object of numbers");
  for (const auto& [name, score] : scores->items()) sample.scores[name] = number_of(score);
  return sample;
}

// Complete lines, and where the last of them ends; what follows was cut off by a crash.
struct Lines {
  std::vector<Sample> samples;
  uint64_t end = 0;
  double seconds = 0;  // that all of them took
};

Lines read_lines(const std::filesystem::path& path, const std::string* run) {
  Lines lines;
  LineReader reader(path.string());
  const uint64_t size = std::filesystem::file_size(path);
  std::string text;
  for (uint64_t end = 0; reader.next(text);) {
    end += text.size() + 1 + (reader.ended_with_cr() ? 1 : 0);
    if (end > size) break;
    const Json line = parse_json(text, reader.where());
    if (run && json_string(line, "run", reader.where()) != *run)
      throw Error(reader.where() +
                  ": was scored with another model, adapter, task, setting or version of tptt; "
                  "give --log-samples "
                  "or --output another name");
    lines.samples.push_back(to_sample(line, reader.where()));
    if (run) lines.seconds = json_number(line, "seconds", reader.where());
    lines.end = end;
  }
  return lines;
}

}  // namespace

SamplesFile::SamplesFile(const std::filesystem::path& path, const std::string& run, bool resume)
    : path_(path), run_(run) {
  if (!std::filesystem::exists(path)) return;
  if (!resume)
    throw Error(path.string() +
                ": exists already; add --resume to go on with it, or give "
                "another name");
  open(0);
  Lines lines = read_lines(path, &run);
  if (lines.end == 0 && std::filesystem::file_size(path) > 0)
    throw Error(path.string() +
                ": has no whole line of an evaluation; remove it, or give another name");
  std::filesystem::resize_file(path, lines.end);
  kept_ = std::move(lines.samples);
  kept_seconds_ = seconds_ = lines.seconds;
}

SamplesFile::Descriptor::~Descriptor() {
  if (fd >= 0) ::close(fd);
}

void SamplesFile::open(int flags) {
  const std::string in_use =
      ": another evaluation writes to it; wait for that, or give another name";
  file_.fd = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0644);
  if (file_.fd < 0 && errno == EEXIST) throw Error(path_.string() + in_use);
  if (file_.fd < 0) throw Error(path_.string() + ": cannot be opened: " + std::strerror(errno));
  if (::flock(file_.fd, LOCK_EX | LOCK_NB) == 0) return;
  if (errno == EWOULDBLOCK) throw Error(path_.string() + in_use);
  throw Error(path_.string() + ": cannot be locked: " + std::strerror(errno));
}

void SamplesFile::add(const Sample& sample) {
  if (file_.fd < 0) open(O_CREAT | O_EXCL);
  seconds_ = kept_seconds_ + std::chrono::duration<double>(Clock::now() - start_).count();
  Json line = to_line(sample);
  line["run"] = run_;
  line["seconds"] = std::round(1000 * seconds_) / 1000;
  const std::string text = line.dump() + "\n";
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(file_.fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error(path_.string() + ": cannot be appended to: " + std::strerror(errno));
    done += size_t(n);
  }
}

std::string to_text(const std::vector<Sample>& samples) {
  std::string text;
  for (const Sample& sample : samples) text += to_line(sample).dump() + "\n";
  return text;
}

std::vector<Sample> samples_from_text(const std::string& text) {
  std::vector<Sample> samples;
  const std::string where = "samples of another process";
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
    samples.push_back(to_sample(parse_json(text.substr(begin, end - begin), where), where));
  return samples;
}

SamplesByQuestion by_question(const std::vector<Sample>& samples) {
  SamplesByQuestion all;
  for (const Sample& sample : samples) all[{sample.task, sample.doc_id}] = &sample;
  return all;
}

std::filesystem::path samples_beside(std::filesystem::path results) {
  return results.replace_extension(".samples.jsonl");
}

std::vector<Sample> read_samples(const std::filesystem::path& path) {
  return read_lines(path, nullptr).samples;
}

}  // namespace tptt
