// libFuzzer's entry points. TPTT_PARSER names the parser; at the end one line says what inputs
// took.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/parsers.h"
#include "tests/temp_dir.h"

namespace {

using namespace tptt;

const Parser* find_parser(const char* name) {
  static const std::vector<Parser> parsers = all_parsers();
  for (const Parser& parser : parsers)
    if (name && parser.name == std::string(name)) return &parser;
  for (const Parser& parser : parsers) std::printf("%s\n", parser.name);
  std::exit(name ? 1 : 0);
}

const Parser* parser;
size_t peak_bytes = 0;
double seconds = 0;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  parser = find_parser(std::getenv("TPTT_PARSER"));
  std::atexit([] { std::printf("most: %zu bytes, %.3f seconds\n", peak_bytes, seconds); });
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const TempDir dir;
  static const bool prepared = [] {
    if (parser->prepare) parser->prepare(dir.path);
    return true;
  }();
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const Outcome outcome = run_parser(*parser, dir.path, bytes);
  peak_bytes = std::max(peak_bytes, outcome.peak_bytes);
  seconds = std::max(seconds, outcome.seconds);
  if (outcome.bug.empty() || !prepared) return 0;
  std::printf("BUG: %s %s\n", parser->name, outcome.bug.c_str());
  std::fflush(stdout);  // stderr is closed: it has the parsers' warnings
  std::abort();
}
