#include "data/token_cache.h"

#include <algorithm>

#include "data/token_cache_file.h"
#include "models/formats/error.h"
#include "models/formats/gguf.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

// To be changed with whatever changes the tokens of the same rows.
constexpr const char* kVersion = "tptt tokens 1";
constexpr size_t kSampledRows = 16;
constexpr size_t kLongestSampledRow = 1 << 16;  // bytes

void add_file(const fs::path& path, uint64_t size, Sha256& hash) {
  const ReadFile file(path.string());
  std::string chunk;
  for (uint64_t at = 0; at < std::min(size, file.size()); at += chunk.size()) {
    chunk.resize(size_t(std::min<uint64_t>(std::min(size, file.size()) - at, 1 << 20)));
    file.read(at, chunk.data(), chunk.size());
    hash.update(chunk);
  }
}

std::string cache_key(const std::vector<Digest>& row_hashes, const Digest& tokenizer_hash,
                      int32_t eos_token_id, const TokenizeOptions& options) {
  Sha256 hash;
  for (const std::string& part :
       {std::string(kVersion), to_hex(tokenizer_hash), std::to_string(eos_token_id),
        options.chat_template, std::to_string(options.max_length), options.excess_length_strategy,
        std::to_string(options.completion_only_loss), std::to_string(options.assistant_only_loss)})
    hash.update_sized(part);
  for (const Digest& row : row_hashes)
    hash.update({reinterpret_cast<const char*>(row.data()), row.size()});
  return to_hex(hash.finish());
}

size_t text_size(const Row& row) {
  size_t size = row.prompt.size() + row.completion.size();
  for (const Message& m : row.messages) size += m.content.size() + m.input.size();
  return size;
}

// A tokenizer or template that works otherwise than when the file was written shows in some rows.
bool sample_fits(const TokenizedRows& cached, const std::vector<Row>& rows,
                 const Tokenizer& tokenizer, int32_t eos_token_id, const TokenizeOptions& options) {
  const size_t step = std::max<size_t>(1, cached.rows.size() / kSampledRows);
  std::vector<Row> sample;
  std::vector<const Example*> expected;
  for (size_t i = 0, taken = 0; i < cached.rows.size() && taken < kSampledRows;
       i += step, ++taken) {
    const int64_t row = cached.rows[i];
    const auto [begin, end] = std::equal_range(cached.rows.begin(), cached.rows.end(), row);
    const bool is_inside = begin != cached.rows.begin() + long(i);  // of a document
    if (is_inside || text_size(rows[size_t(row)]) > kLongestSampledRow) continue;
    sample.push_back(rows[size_t(row)]);
    for (auto at = begin; at != end; ++at)
      expected.push_back(&cached.examples[size_t(at - cached.rows.begin())]);
  }
  if (sample.empty()) return true;
  const TokenizedRows anew = tokenize_rows(sample, tokenizer, eos_token_id, options);
  return std::equal(
      anew.examples.begin(), anew.examples.end(), expected.begin(), expected.end(),
      [](const Example& a, const Example* b) { return a.ids == b->ids && a.train == b->train; });
}

}  // namespace

fs::path token_cache_dir() {
  return cache_home() / "tptt" / "tokens";
}

Digest tokenizer_hash(const ModelFiles& files) {
  Sha256 hash;
  if (!files.gguf.empty()) {
    uint64_t end = UINT64_MAX;
    for (const TensorInfo& info : read_gguf_header(ReadFile(files.gguf)).tensors)
      end = std::min(end, info.offset);
    add_file(files.gguf, end, hash);
    return hash.finish();
  }
  for (const char* name : {"tokenizer.json", "tokenizer.model", "tokenizer_config.json"}) {
    hash.update_sized(name);
    if (const fs::path path = fs::path(files.dir) / name; fs::is_regular_file(path))
      add_file(path, UINT64_MAX, hash);
  }
  return hash.finish();
}

CachedTokens tokenize_cached(const std::vector<Row>& rows, const std::vector<Digest>& row_hashes,
                             const Tokenizer& tokenizer, const Digest& tokenizer_hash,
                             int32_t eos_token_id, const TokenizeOptions& options,
                             const fs::path& dir) {
  const std::string key = cache_key(row_hashes, tokenizer_hash, eos_token_id, options);
  const fs::path path = dir / (key + ".safetensors");
  CachedTokens out;
  try {
    if (fs::exists(path)) {
      out.tokens = read_token_cache(
          path, {key, int64_t(rows.size()), tokenizer.vocab_size(), options.max_length});
      out.from_cache = sample_fits(out.tokens, rows, tokenizer, eos_token_id, options);
      if (out.from_cache) return out;
      out.problem = path.string() + ": rows have other tokens now";
    }
  } catch (const std::exception& error) {
    out.problem = error.what();
  }
  out.tokens = tokenize_rows(rows, tokenizer, eos_token_id, options);
  try {
    fs::create_directories(dir);
    write_token_cache(path, key, out.tokens);
  } catch (const std::exception& error) {
    out.problem = error.what();
  }
  return out;
}

}  // namespace tptt
