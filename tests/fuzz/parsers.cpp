#include "tests/fuzz/parsers.h"

#include <time.h>

#include <typeinfo>

#include "tests/fuzz/memory_count.h"

namespace tptt {
namespace {

constexpr double kMostSeconds = 1;

size_t most_bytes(size_t input) {
  return 2 * input + (16 << 20);
}

// Of the process: other programs on the machine do not count.
double processor_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

void call(const Parser& parser, const std::filesystem::path& dir, const std::string& bytes,
          Outcome& outcome) {
  try {
    parser.parse(dir, bytes);
  } catch (const Error& error) {
    outcome.refusal = error.what();
    if (outcome.refusal.empty()) outcome.bug = "an Error without a text";
  } catch (const std::exception& error) {
    outcome.bug = std::string("throws ") + typeid(error).name() + ": " + error.what();
  }
}

}  // namespace

const std::vector<Parser>& all_parsers() {
  static const std::vector<Parser> all = [] {
    std::vector<Parser> parsers;
    for (const auto& some : {model_parsers(), data_parsers(), run_parsers()})
      parsers.insert(parsers.end(), some.begin(), some.end());
    return parsers;
  }();
  return all;
}

const Parser* find_parser(const std::string& name) {
  for (const Parser& parser : all_parsers())
    if (parser.name == name) return &parser;
  return nullptr;
}

Outcome run_parser(const Parser& parser, const std::filesystem::path& dir,
                   const std::string& bytes) {
  Outcome outcome;
  begin_memory_count();
  const double start = processor_seconds();
  call(parser, dir, bytes, outcome);
  outcome.seconds = processor_seconds() - start;
  outcome.peak_bytes = end_memory_count();
  if (outcome.peak_bytes > most_bytes(bytes.size()))
    outcome.bug = "holds " + std::to_string(outcome.peak_bytes) + " bytes for an input of " +
                  std::to_string(bytes.size());
  if (outcome.seconds > kMostSeconds)
    outcome.bug = "takes " + std::to_string(outcome.seconds) + " seconds";
  return outcome;
}

}  // namespace tptt
