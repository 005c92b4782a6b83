// libFuzzer's entry points. TPTT_PARSER names the parser; without it all are listed.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/parsers.h"
#include "tests/temp_dir.h"

namespace {

using namespace tptt;

const Parser& parser_named(const char* name) {
  const Parser* found = name ? find_parser(name) : nullptr;
  if (found) return *found;
  for (const Parser& parser : all_parsers()) std::printf("%s\n", parser.name);
  std::exit(name ? 1 : 0);
}

// The parser that is fed, the directory it reads in, and the most that an input took.
struct Target {
  const Parser parser = parser_named(std::getenv("TPTT_PARSER"));
  const TempDir dir = {};
  size_t peak_bytes = 0;
  double seconds = 0;

  Target() {
    if (parser.prepare) parser.prepare(dir.path);
  }
  ~Target() { std::printf("most: %zu bytes, %.3f seconds\n", peak_bytes, seconds); }
};

Target& target() {
  static Target only;
  return only;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  target();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Target& t = target();
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const Outcome outcome = run_parser(t.parser, t.dir.path, bytes);
  t.peak_bytes = std::max(t.peak_bytes, outcome.peak_bytes);
  t.seconds = std::max(t.seconds, outcome.seconds);
  if (outcome.bug.empty()) return 0;
  std::printf("BUG: %s %s\n", t.parser.name, outcome.bug.c_str());
  std::fflush(stdout);  // stderr is closed: it has the parsers' warnings
  std::abort();
}
