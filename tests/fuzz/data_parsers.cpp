#include "data/dataset.h"
#include "data/file_kinds.h"
#include "data/formats.h"
#include "data/sha256.h"
#include "data/tasks/task.h"
#include "data/token_cache_file.h"
#include "data/tokenizer_config.h"
#include "models/formats/safetensors.h"
#include "tests/fuzz/parsers.h"
#include "tests/temp_dir.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

// Spaces, digits, letters of several bytes, a combining mark, a special token.
constexpr const char* kText =
    " The  caf\u00e9 of 2024\n\te\u0301 \u6f22\u5b57 \U0001F600</s><|x|>"
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";

// What is done with a tokenizer that a file makes.
void use_tokenizer(const ModelFiles& files) {
  const auto tokenizer = load_tokenizer(files);
  attempt([&] { resolve_chat_template("auto", *tokenizer); });
  std::vector<size_t> offsets;
  const TokenIds ids = tokenizer->encode(kText, true, &offsets);
  if (ids.size() != offsets.size()) throw std::logic_error("not one offset a token");
  for (const int32_t id : ids)
    if (id < 0 || id >= tokenizer->vocab_size()) throw std::logic_error("an id of no token");
  tokenizer->decode(ids, true);
  StreamDecoder stream(*tokenizer);
  for (const int32_t id : ids) stream.push(id);
  stream.finish();
}

void parse_gguf_tokenizer(const fs::path& dir, const std::string& bytes) {
  const std::string path = (dir / "model.gguf").string();
  write_text(path, bytes);
  use_tokenizer({path, "", path, ""});
}

void parse_tokenizer_json(const fs::path& dir, const std::string& bytes) {
  write_text(dir / "tokenizer.json", bytes);
  use_tokenizer({"", dir.string(), "", ""});
}

void parse_sentencepiece(const fs::path& dir, const std::string& bytes) {
  write_text(dir / "tokenizer.model", bytes);
  use_tokenizer({"", dir.string(), "", ""});
}

void prepare_tokenizer_config(const fs::path& dir) {
  fs::copy(TPTT_SOURCE_DIR "/tests/golden/tokenizers/sp-bpe/tokenizer.model", dir);
}

void parse_tokenizer_config(const fs::path& dir, const std::string& bytes) {
  write_text(dir / "tokenizer_config.json", bytes);
  use_tokenizer({"", dir.string(), "", ""});
}

// In the first row's format, and each row in every format.
void parse_rows(const fs::path& path, const std::string& bytes) {
  write_text(path, bytes);
  find_file_kind(path.string()).each_row(path.string(), [](const auto& where, const auto& read) {
    attempt([&] {
      const Json row = read();
      for (const RowFormat& format : row_formats()) attempt([&] { format.read(row, where); });
    });
    return true;
  });
  read_row_file(
      path.string(),
      {.columns = {{"prompt", "input"}}, .prompt_template = "{text}: {id}", .skip_bad_rows = true});
}

void parse_json_rows(const fs::path& dir, const std::string& bytes) {
  parse_rows(dir / "rows.jsonl", bytes);
}

void parse_csv_rows(const fs::path& dir, const std::string& bytes) {
  parse_rows(dir / "rows.csv", bytes);
}

void parse_text_rows(const fs::path& dir, const std::string& bytes) {
  parse_rows(dir / "rows.txt", bytes);
}

void parse_parquet_rows(const fs::path& dir, const std::string& bytes) {
  parse_rows(dir / "rows.parquet", bytes);
}

void parse_task_rows(const fs::path& dir, const std::string& bytes) {
  const std::string path = (dir / "test.jsonl").string();
  write_text(path, bytes);
  each_json_row(path, [](const std::string& where, const std::function<Json()>& read) {
    attempt([&] {
      const Json row = read();
      for (const TaskKind& kind : task_kinds())
        attempt([&] { kind.read(row, where, Protocol::lm_eval); });
    });
    return true;
  });
  load_tasks({.name = "mmlu_virology", .data = path, .num_fewshot = 0});
}

void prepare_mmlu_csv(const fs::path& dir) {
  fs::create_directory(dir / "test");
  fs::create_directory(dir / "dev");
}

void parse_mmlu_csv(const fs::path& dir, const std::string& bytes) {
  for (const char* name : {"test/virology_test.csv", "dev/virology_dev.csv"})
    write_text(dir / name, bytes);
  load_tasks({.name = "mmlu_virology", .data = dir.string(), .num_fewshot = 1});
}

// Random bytes never have the right checksum: the input gets its own.
void mend_checksum(const fs::path& path, std::string bytes) {
  const ReadFile file(path.string());
  Sha256 hash;
  for (const char* name : {"ids", "train", "lengths", "rows"})
    for (const TensorInfo& info : read_safetensors_header(file).tensors)
      if (info.name == name)
        hash.update_sized(std::string_view(bytes).substr(info.offset, info.nbytes));
  const std::string sum = to_hex(hash.finish()), key = "\"sha256\":\"";
  const size_t at = bytes.find(key);
  if (at == std::string::npos || bytes.size() - at < key.size() + sum.size()) return;
  write_text(path, bytes.replace(at + key.size(), sum.size(), sum));
}

void parse_token_cache(const fs::path& dir, const std::string& bytes) {
  const fs::path path = dir / "tokens.safetensors";
  write_text(path, bytes);
  mend_checksum(path, bytes);
  read_token_cache(path, {.key = "k", .num_rows = 4, .vocab_size = 100, .max_length = 16});
}

}  // namespace

std::vector<Parser> data_parsers() {
  return {{"gguf_tokenizer", parse_gguf_tokenizer},
          {"tokenizer_json", parse_tokenizer_json},
          {"sentencepiece", parse_sentencepiece},
          {"tokenizer_config", parse_tokenizer_config, prepare_tokenizer_config},
          {"json_rows", parse_json_rows},
          {"csv_rows", parse_csv_rows},
          {"text_rows", parse_text_rows},
          {"parquet_rows", parse_parquet_rows},
          {"task_rows", parse_task_rows},
          {"mmlu_csv", parse_mmlu_csv, prepare_mmlu_csv},
          {"token_cache", parse_token_cache}};
}

}  // namespace tptt
