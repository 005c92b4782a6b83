#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace tptt {

/// What came of one question: a line of the samples file.
struct Sample {
  std::string task;
  int64_t doc_id = 0;                         // from 0, in the file's order
  std::string doc_hash = {};                  // of the question, its choices and the answer
  std::vector<double> log_likelihoods = {};   // of the choices, in their order
  std::string response = {};                  // what was written, of tasks that generate
  int64_t prediction = -1, target = -1;       // choices from 0; -1: none
  bool truncated = false;                     // the prompt lost its beginning
  std::map<std::string, double> scores = {};  // "acc,none": what is averaged
};

/// A JSONL file that samples are appended to, one a line, as they are known. The first makes it.
/// No second process can append to it meanwhile.
class SamplesFile {
 public:
  /// `run` stands in every line and says what the scores belong to. With `resume` the complete
  /// lines that are there are kept and read; without it an older file is an Error, as are lines of
  /// another run and a file that is in use.
  SamplesFile(const std::filesystem::path& path, const std::string& run, bool resume);

  const std::vector<Sample>& kept() const { return kept_; }
  /// From now on time counts as evaluation, after what the kept lines took.
  void start_clock() { start_ = Clock::now(); }
  /// Throws Error.
  void add(const Sample& sample);
  /// What all samples took, those of earlier processes included, up to the last.
  double seconds() const { return seconds_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Descriptor {
    int fd = -1;
    Descriptor() = default;
    ~Descriptor();
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
  };
  void open(int flags);

  std::filesystem::path path_;
  std::string run_;
  std::vector<Sample> kept_;
  double kept_seconds_ = 0, seconds_ = 0;
  Clock::time_point start_ = Clock::now();
  Descriptor file_;
};

/// Lines of a samples file that belong to no run, as processes send them to each other, and back.
std::string to_text(const std::vector<Sample>& samples);
std::vector<Sample> samples_from_text(const std::string& text);

/// By task and number.
using SamplesByQuestion = std::map<std::pair<std::string, int64_t>, const Sample*>;
SamplesByQuestion by_question(const std::vector<Sample>& samples);

/// Where the samples of a results file lie where nothing else is said: RESULTS.samples.jsonl.
std::filesystem::path samples_beside(std::filesystem::path results);

/// The samples of a file. Throws Error that names the line.
std::vector<Sample> read_samples(const std::filesystem::path& path);

}  // namespace tptt
