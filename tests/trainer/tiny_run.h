#pragma once

#include <filesystem>
#include <string>

namespace tptt {

/// What `tptt ARGUMENTS` did.
struct Outcome {
  int code;          // exit status; 128 + signal when one ended it
  std::string text;  // stdout and stderr
};

/// Runs the built binary.
Outcome run_tptt(const std::string& arguments);

/// Writes a random two-layer Llama with the golden gpt2 tokenizer (config.json, model.safetensors,
/// tokenizer files) into `dir`/model.
void write_tiny_model(const std::filesystem::path& dir);

/// `dir`/config.yaml for a run of that model on `rows` prompt-completion rows, output in `dir`/run.
/// `sections` is more YAML ("liza: {...}").
std::string write_tiny_config(const std::filesystem::path& dir, int rows = 12,
                              const std::string& sections = "");

}  // namespace tptt
