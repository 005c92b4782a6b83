#pragma once

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "models/formats/json.h"

namespace tptt {

/// What a command did.
struct Outcome {
  int code;          // exit status; 128 + signal when one ended it
  std::string text;  // stdout and stderr
};

/// A shell's command that runs, and what it did once it has ended.
FILE* start_command(const std::string& command);
Outcome outcome_of(FILE* started);
inline Outcome run_command(const std::string& command) {
  return outcome_of(start_command(command));
}

/// Runs `tptt ARGUMENTS`, the built binary.
Outcome run_tptt(const std::string& arguments);

/// The rows of a run's metrics.jsonl.
std::vector<Json> metrics_of(const std::filesystem::path& run);

/// The bytes of a run's adapter.
std::string adapter_of(const std::filesystem::path& run);

/// Writes a random two-layer Llama with the golden gpt2 tokenizer (config.json, model.safetensors,
/// tokenizer files) into `dir`/model.
void write_tiny_model(const std::filesystem::path& dir);

/// `dir`/config.yaml for a run of that model on `rows` prompt-completion rows, output in `dir`/run.
/// `sections` is more YAML ("liza: {...}").
std::string write_tiny_config(const std::filesystem::path& dir, int rows = 12,
                              const std::string& sections = "");

}  // namespace tptt
