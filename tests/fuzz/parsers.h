#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/formats/error.h"

namespace tptt {

/// A reader of files from outside, as the fuzzer and the replay test call it.
struct Parser {
  const char* name;
  /// Reads `bytes`, put into a file of `dir` where the reader wants one. May throw Error alone.
  void (*parse)(const std::filesystem::path& dir, const std::string& bytes);
  /// Puts what else the reader looks for into `dir`, once.
  void (*prepare)(const std::filesystem::path& dir) = nullptr;
};

/// To add one: its line in the table of one of these.
std::vector<Parser> model_parsers();
std::vector<Parser> data_parsers();
std::vector<Parser> run_parsers();
const std::vector<Parser>& all_parsers();

/// The one of that name; null: there is none.
const Parser* find_parser(const std::string& name);

/// What came of one input.
struct Outcome {
  std::string refusal = {};  // the reader's Error, or ""
  std::string bug = {};      // another exception, or more memory or time than allowed
  size_t peak_bytes = 0;     // held at once
  double seconds = 0;        // of processor time
};
Outcome run_parser(const Parser& parser, const std::filesystem::path& dir,
                   const std::string& bytes);

/// For a reader that goes on with others when one refuses.
template <class Call>
void attempt(Call&& call) {
  try {
    call();
  } catch (const Error&) {
  }
}

}  // namespace tptt
