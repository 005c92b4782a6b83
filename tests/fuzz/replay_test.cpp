#include <glob.h>

#include <catch2/catch.hpp>
#include <ctime>
#include <functional>
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
  Outcome run(const fs::path& file) const { return run_bytes(read_text(file)); }
  Outcome run_bytes(const std::string& bytes) const { return run_parser(parser, dir.path, bytes); }
};

const Parser& parser_named(const std::string& name) {
  const Parser* found = find_parser(name);
  REQUIRE(found);
  return *found;
}

// Attacks of make_files.py and what they are refused with; "": read without harm.
const std::pair<const char*, const char*> kAttacks[] = {
    {"gguf/CVE-2024-21802", "expected 1 to 4 dimensions"},
    {"gguf/CVE-2024-21825", "do not fit into the file: 1152921504606846977 with"},
    {"gguf/CVE-2024-21836", "do not fit into the file"},
    {"gguf/CVE-2024-23496", "string of 18446744073709551615 bytes"},
    {"gguf/CVE-2024-23605", "do not fit into the file"},
    {"gguf/CVE-2024-25664", "do not fit into the file"},
    {"gguf/CVE-2024-25665", "string of 1099511627776 bytes"},
    {"gguf/CVE-2024-25666", "do not fit into the file"},
    {"gguf/CVE-2024-25667", "do not fit into the file: 4611686018427387905 with"},
    {"gguf/CVE-2024-25668", "string of 9223372036854775808 bytes"},
    {"gguf/CVE-2024-32878", "truncated"},
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

#ifdef __SANITIZE_ADDRESS__
constexpr double kMostSeconds = 10;
#else
constexpr double kMostSeconds = 1;
#endif

// A megabyte of what is repeated, between a begin and an end.
std::string long_input(const std::string& begin, const std::function<std::string(int)>& repeated,
                       const std::string& end) {
  std::string text = begin;
  for (int i = 0; text.size() < 1000000; ++i) text += repeated(i);
  return text + end;
}

std::string little_endian(uint64_t value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string safetensors_of(const std::string& header) {
  return little_endian(header.size()) + header;
}

// A GGUF file with one key, an array of elements of that type, each `element`.
std::string gguf_array(uint32_t type, const std::string& element) {
  const uint64_t count = 1000000 / element.size();
  std::string file = "GGUF" + little_endian(3).substr(0, 4) + little_endian(0) + little_endian(1) +
                     little_endian(1) + "k" + little_endian(9).substr(0, 4) +
                     little_endian(type).substr(0, 4) + little_endian(count);
  for (uint64_t i = 0; i < count; ++i) file += element;
  return file;
}

TEST_CASE("long inputs take time in proportion") {
  const auto same = [](const std::string& text) { return [text](int) { return text; }; };
  const auto number = [](int i) { return std::to_string(i); };
  const struct {
    const char* parser;
    std::string input;
  } cases[] = {
      {"json_rows", long_input("{\"text\":[", same("{},"), "{}]}")},
      {"json_rows", long_input("[", same("["), "")},
      {"csv_rows", long_input(
                       "a", [&](int i) { return "," + number(i); }, "\n")},
      {"csv_rows", long_input("a", same(","), "\n")},
      {"csv_rows", long_input("\"", same("\"\""), "")},
      {"safetensors", safetensors_of(long_input(
                          "{\"t\":[]",
                          [&](int i) {
                            return ",\"" + number(i) +
                                   "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}";
                          },
                          "}"))},
      {"gguf", gguf_array(0, std::string(1, '\1'))},
      {"gguf", gguf_array(8, std::string(8, '\0'))},
      {"tokenizer_json",
       long_input("{\"model\":{\"vocab\":{\"a\":0},\"merges\":[", same("\"a a\","), "\"a a\"]}}")},
      {"tokenizer_json", long_input("{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"decoder\":"
                                    "{\"type\":\"Sequence\",\"decoders\":[",
                                    same("{\"type\":\"Fuse\"},"), "{\"type\":\"Fuse\"}]}}")},
      {"sentencepiece", long_input("", same("\n\3\n\1a"), "")},
      {"yaml_config", long_input("", same("- "), "")},
      {"yaml_config", long_input("", same("a: "), "")},
      {"yaml_config", long_input("", same("? "), "")},
      {"yaml_config", long_input("", same("[a: "), "")},
      {"yaml_config", long_input("[", same("a,"), "]")},
      {"yaml_config", long_input(
                          "", [&](int i) { return "k" + number(i) + ":\n"; }, "")},
      {"yaml_config", long_input("a: ", same("b "), "")},
      {"yaml_config", long_input("a: '", same("''\n"), "")},
      {"yaml_config", long_input("a: |\n", same("\n"), "")},
      {"yaml_config", long_input("", same("%"), "")},
      {"text_rows", long_input("", same("\u0301"), "")},
      {"metrics", long_input("", same("{}\n"), "")},
      {"samples", long_input("", same("\n"), "")},
      {"events", long_input("", same(std::string(16, '\0')), "")},
  };
  for (const auto& c : cases) {
    INFO(c.parser << ": " << c.input.substr(0, 60));
    const Outcome outcome = Replay(parser_named(c.parser)).run_bytes(c.input);
    CHECK(outcome.seconds < kMostSeconds);
    CHECK(outcome.peak_bytes < 48 * c.input.size());  // of JSON the values
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
  const Parser slow{"slow", [](const fs::path&, const std::string&) {
                      const std::clock_t start = std::clock();
                      while (std::clock() - start < 1.1 * CLOCKS_PER_SEC) {
                      }
                    }};
  CHECK_THAT(run_parser(slow, dir.path, "x").bug, Contains("seconds"));
}
