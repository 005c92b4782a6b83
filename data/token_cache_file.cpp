#include "data/token_cache_file.h"

#include <charconv>
#include <cstring>

#include "data/sha256.h"
#include "models/formats/error.h"
#include "models/formats/safetensors.h"

namespace tptt {
namespace {

/// The tensors, one after another.
struct Flat {
  std::vector<int32_t> ids;
  std::vector<uint8_t> train;
  std::vector<int64_t> lengths, rows;
};

template <class T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string checksum(const Flat& flat) {
  Sha256 hash;
  for (const std::string_view bytes :
       {bytes_of(flat.ids), bytes_of(flat.train), bytes_of(flat.lengths), bytes_of(flat.rows)})
    hash.update_sized(bytes);
  return to_hex(hash.finish());
}

Flat flatten(const TokenizedRows& tokens) {
  Flat flat;
  for (const Example& example : tokens.examples) {
    flat.ids.insert(flat.ids.end(), example.ids.begin(), example.ids.end());
    flat.train.insert(flat.train.end(), example.train.begin(), example.train.end());
    flat.lengths.push_back(int64_t(example.ids.size()));
  }
  flat.rows = tokens.rows;
  return flat;
}

/// Reads the parts of one file, checking each.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& path)
      : file_(path.string()), header_(read_safetensors_header(file_)) {}

  template <class T>
  std::vector<T> values(const char* name, FileType type) const {
    for (const TensorInfo& info : header_.tensors) {
      if (info.name != name) continue;
      if (info.type != type || info.shape.size() != 1)
        fail(std::string(name) + " has another type");
      std::vector<T> out(size_t(info.numel()));
      file_.read(info.offset, out.data(), info.nbytes);
      return out;
    }
    fail(std::string("has no ") + name);
  }

  const std::string& text(const char* key) const {
    const auto it = header_.metadata.find(key);
    if (it == header_.metadata.end()) fail(std::string("has no ") + key);
    return it->second;
  }

  int64_t count(const char* key, int64_t most) const {
    const std::string& digits = text(key);
    int64_t value = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || value < 0 || value > most)
      fail(std::string(key) + " is no count of its rows");
    return value;
  }

  [[noreturn]] void fail(const std::string& what) const { throw Error(file_.path() + ": " + what); }

 private:
  ReadFile file_;
  SafetensorsHeader header_;
};

// The examples, when lengths, rows and ids fit together.
std::vector<Example> unflatten(const Flat& flat, const TokenCacheBounds& bounds,
                               const Reader& reader) {
  if (flat.train.size() != flat.ids.size() || flat.rows.size() != flat.lengths.size())
    reader.fail("its tensors do not fit together");
  std::vector<Example> examples;
  size_t at = 0;
  for (size_t i = 0; i < flat.lengths.size(); ++i) {
    const int64_t length = flat.lengths[i], row = flat.rows[i];
    if (length < 2 || length > bounds.max_length || size_t(length) > flat.ids.size() - at)
      reader.fail("an example has a wrong length");
    if (row < (i > 0 ? flat.rows[i - 1] : 0) || row >= bounds.num_rows)
      reader.fail("an example is of no row");
    const auto begin = long(at), end = begin + long(length);
    examples.push_back({TokenIds(flat.ids.begin() + begin, flat.ids.begin() + end),
                        std::vector<bool>(flat.train.begin() + begin, flat.train.begin() + end)});
    if (examples.back().num_target_tokens() == 0) reader.fail("an example has no target");
    at += size_t(length);
  }
  if (at != flat.ids.size() || examples.empty()) reader.fail("its tensors do not fit together");
  for (const int32_t id : flat.ids)
    if (id < 0 || id >= bounds.vocab_size) reader.fail("an id is outside the vocabulary");
  return examples;
}

}  // namespace

TokenizedRows read_token_cache(const std::filesystem::path& path, const TokenCacheBounds& bounds) {
  const Reader reader(path);
  if (reader.text("key") != bounds.key) reader.fail("is of other rows");
  const Flat flat{reader.values<int32_t>("ids", FileType::I32),
                  reader.values<uint8_t>("train", FileType::U8),
                  reader.values<int64_t>("lengths", FileType::I64),
                  reader.values<int64_t>("rows", FileType::I64)};
  if (reader.text("sha256") != checksum(flat)) reader.fail("its bytes do not fit its checksum");
  TokenizedRows out;
  out.examples = unflatten(flat, bounds, reader);
  out.rows = flat.rows;
  out.num_truncated = reader.count("num_truncated", bounds.num_rows);
  out.num_split = reader.count("num_split", bounds.num_rows);
  out.num_dropped = reader.count("num_dropped", bounds.num_rows);
  return out;
}

void write_token_cache(const std::filesystem::path& path, const std::string& key,
                       const TokenizedRows& tokens) {
  const Flat flat = flatten(tokens);
  const auto tensor = [](const char* name, FileType type, const auto& values) {
    return TensorToWrite{name, type, {int64_t(values.size())}, std::as_bytes(std::span(values))};
  };
  write_safetensors(
      path.string(),
      {tensor("ids", FileType::I32, flat.ids), tensor("train", FileType::U8, flat.train),
       tensor("lengths", FileType::I64, flat.lengths), tensor("rows", FileType::I64, flat.rows)},
      {{"key", key},
       {"sha256", checksum(flat)},
       {"num_truncated", std::to_string(tokens.num_truncated)},
       {"num_split", std::to_string(tokens.num_split)},
       {"num_dropped", std::to_string(tokens.num_dropped)}});
}

}  // namespace tptt
