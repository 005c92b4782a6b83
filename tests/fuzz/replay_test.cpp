#include <glob.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <sstream>

#include "data/chat_templates.h"
#include "tests/fuzz/parsers.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

const fs::path kFuzz = TPTT_SOURCE_DIR "/tests/fuzz";

std::vector<fs::path> files_of(const fs::path& pattern) {
  glob_t found{};
  ::glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<fs::path> files(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  return files;
}

// By parser: what the fuzzer begins with.
std::multimap<std::string, fs::path> all_inputs() {
  std::multimap<std::string, fs::path> inputs;
  const auto add = [&](const std::string& parser, const fs::path& pattern) {
    for (const fs::path& file : files_of(pattern)) inputs.emplace(parser, file);
  };
  std::istringstream table(read_text(kFuzz / "inputs.txt"));
  for (std::string line, kind, parser, pattern; std::getline(table, line);)
    if (std::istringstream(line) >> kind >> parser >> pattern && kind == "seeds")
      add(parser, TPTT_SOURCE_DIR / fs::path(pattern));
  for (const Parser& parser : all_parsers())
    for (const char* folder : {"seeds", "regressions"})
      add(parser.name, kFuzz / folder / parser.name / "*");
  return inputs;
}

// One parser and the directory it reads in.
struct Replay {
  const Parser parser;
  const TempDir dir = {};

  explicit Replay(const Parser& p) : parser(p) {
    if (parser.prepare) parser.prepare(dir.path);
  }
  Outcome run(const fs::path& file) const { return run_parser(parser, dir.path, read_text(file)); }
};

Parser parser_named(const std::string& name) {
  const std::vector<Parser> all = all_parsers();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Parser& p) { return p.name == name; });
  REQUIRE(found != all.end());
  return *found;
}

// Attacks of make_files.py and what they are refused with; "": read without harm.
const std::pair<const char*, const char*> kAttacks[] = {
    {"gguf/CVE-2024-21802", "expected 1 to 4 dimensions"},
    {"gguf/CVE-2024-21825", "array of 1152921504606846977 values"},
    {"gguf/CVE-2024-21836", "do not fit into the file"},
    {"gguf/CVE-2024-23496", "string of 18446744073709551615 bytes"},
    {"gguf/CVE-2024-23605", "do not fit into the file"},
    {"gguf/CVE-2024-25664", "do not fit into the file"},
    {"gguf/CVE-2024-25665", "string of 1099511627776 bytes"},
    {"gguf/CVE-2024-25666", "do not fit into the file"},
    {"gguf/CVE-2024-25667", "array of 4611686018427387905 values"},
    {"gguf/CVE-2024-25668", "string of 9223372036854775808 bytes"},
    {"gguf/CVE-2024-32878", "string of"},
    {"gguf/CVE-2024-42477", "tensor type 2147483647 is not supported"},
    {"gguf/CVE-2025-53630", "truncated"},
    {"gguf/CVE-2026-27940", "truncated"},
    {"gguf/CVE-2026-33298", "overflows"},
    {"gguf/CVE-2026-7482", "truncated"},
    {"gguf/CTranslate2-2068", ""},
    {"gguf/llama.cpp-24759", "general.alignment must be"},
    {"gguf/llama.cpp-25821", ""},
    {"gguf/llama.cpp-26690", ""},
    {"gguf/llama.cpp-26690-element", "nested value type 9"},
    {"gguf/whisper.cpp-3787", "expected 1 to 4 dimensions"},
    {"gguf_tokenizer/CVE-2025-49847", "string of 2147483649 bytes"},
    {"gguf_tokenizer/llama.cpp-27226", ""},
    {"sentencepiece/CVE-2026-1260", "holds a null character"},
    {"sentencepiece/sentencepiece-1263", "a piece has 8001 bytes"},
    {"sentencepiece/sentencepiece-1267", "precompiled_charsmap is broken"},
    {"sentencepiece/sentencepiece-1269", "more than the file holds"},
    {"sentencepiece/sentencepiece-1272", "begin each other"},
    {"sentencepiece/llama.cpp-25258", "precompiled_charsmap is too short"},
    {"safetensors/CTranslate2-2068", "data_offsets span 8 bytes"},
    {"safetensors/wraps", "overflows"},
    {"weight_index/transformers-46097", "must be a file name inside the model's directory"},
    {"weight_index/transformers-47176", "must be a file name inside the model's directory"},
    {"weight_index/null-byte", "must be a file name inside the model's directory"},
    {"tokenizer_config/CVE-2026-5760", ""},
};

}  // namespace

TEST_CASE("no seed and no finding of the fuzzer does harm") {
  const auto inputs = all_inputs();
  for (const Parser& parser : all_parsers()) {
    const Replay replay(parser);
    const auto [first, last] = inputs.equal_range(parser.name);
    CHECK(first != last);  // each has a seed
    for (auto input = first; input != last; ++input) {
      INFO(parser.name << ": " << input->second);
      CHECK(replay.run(input->second).bug == "");
    }
  }
}

TEST_CASE("known attacks are refused with one line") {
  for (const auto& [name, expected] : kAttacks) {
    INFO(name);
    const fs::path file = kFuzz / "regressions" / name;
    REQUIRE(fs::exists(file));
    const Replay replay(parser_named(fs::path(name).parent_path().string()));
    const Outcome outcome = replay.run(file);
    CHECK(outcome.bug == "");
    CHECK_THAT(outcome.refusal, Contains(expected));
    CHECK(outcome.refusal.empty() == (*expected == '\0'));
    CHECK(outcome.refusal.find('\n') == std::string::npos);
  }
}

// CVE-2026-5760: what stands in a file is compared with the known templates, never run.
TEST_CASE("a chat template of a model's file is not executed") {
  const Replay replay(parser_named("tokenizer_config"));
  const Outcome outcome = replay.run(kFuzz / "regressions/tokenizer_config/CVE-2026-5760");
  CHECK(outcome.bug == "");
  const auto tokenizer = load_tokenizer({"", replay.dir.path.string(), "", ""});
  CHECK_THAT(tokenizer->chat_template_text(), Contains("__subclasses__"));
  CHECK_THAT(message_of<UsageError>([&] { resolve_chat_template("auto", *tokenizer); }),
             Contains("not recognised"));
}

TEST_CASE("the count of memory and the clock see what a parser takes") {
  const TempDir dir;
  const Parser greedy{"greedy", [](const fs::path&, const std::string&) {
                        std::vector<char>(20 << 20).back() = 1;
                      }};
  CHECK_THAT(run_parser(greedy, dir.path, "x").bug, Contains("for an input of 1"));
  const Parser throwing{"throwing",
                        [](const fs::path&, const std::string&) { std::vector<int>().at(1); }};
  CHECK_THAT(run_parser(throwing, dir.path, "x").bug, Contains("out_of_range"));
}
