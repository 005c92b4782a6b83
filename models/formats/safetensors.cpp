#include "models/formats/safetensors.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "models/formats/atomic_file.h"
#include "models/formats/checked.h"
#include "models/formats/json.h"

namespace tptt {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;

constexpr FileType kStored[] = {FileType::F64, FileType::F32, FileType::F16, FileType::BF16,
                                FileType::I64, FileType::I32, FileType::I16, FileType::I8,
                                FileType::U8,  FileType::BOOL};

FileType parse_type(const std::string& name, const std::string& where) {
  for (const FileType type : kStored)
    if (to_string(type) == name) return type;
  throw Error(where + ": type '" + name + "' is not supported");
}

uint64_t parse_size(const Json& value, const std::string& where) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t(INT64_MAX))
    throw Error(where + ": shapes and offsets must be counts, got " + value.dump().substr(0, 40));
  return value.get<uint64_t>();
}

// Offsets stay relative to the data until the caller has checked all of them.
TensorInfo parse_tensor(const std::string& name, const Json& json, const std::string& where) {
  TensorInfo info;
  info.name = name;
  info.type = parse_type(json_string(json, "dtype", where), where);
  if (!json.contains("shape") || !json["shape"].is_array() || json["shape"].size() > 8)
    throw Error(where + ": key 'shape' must be a list of at most 8 counts");
  for (const Json& size : json["shape"]) info.shape.push_back(int64_t(parse_size(size, where)));
  if (!json.contains("data_offsets") || !json["data_offsets"].is_array() ||
      json["data_offsets"].size() != 2)
    throw Error(where + ": key 'data_offsets' must be [begin, end]");
  const uint64_t begin = parse_size(json["data_offsets"][0], where);
  const uint64_t end = parse_size(json["data_offsets"][1], where);
  info.nbytes = tensor_nbytes(info.type, info.shape, where);
  if (end < begin || end - begin != info.nbytes)
    throw Error(where + ": data_offsets span " + std::to_string(int64_t(end - begin)) +
                " bytes, shape and type need " + std::to_string(info.nbytes));
  info.offset = begin;
  return info;
}

void check_layout(std::vector<TensorInfo>& tensors, uint64_t data_size, const std::string& path) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return a.offset != b.offset ? a.offset < b.offset : a.nbytes < b.nbytes;
  });
  uint64_t expected = 0;
  for (const TensorInfo& info : tensors) {
    if (info.offset != expected)
      throw Error(path + ": tensor '" + info.name + "' begins at " + std::to_string(info.offset) +
                  ", expected " + std::to_string(expected) + " (tensors overlap or leave a hole)");
    expected = checked_add(info.offset, info.nbytes, path);
    if (expected > data_size)
      throw Error(path + ": truncated: tensor '" + info.name + "' ends at " +
                  std::to_string(expected) + " of " + std::to_string(data_size) + " data bytes");
  }
  if (expected != data_size)
    throw Error(path + ": " + std::to_string(data_size - expected) +
                " bytes after the last tensor");
}

}  // namespace

SafetensorsHeader read_safetensors_header(const ReadFile& file) {
  const std::string& path = file.path();
  unsigned char raw[8];
  file.read(0, raw, sizeof raw);
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | raw[i];
  if (length > kMaxHeader || length > file.size() - sizeof raw)
    throw Error(path + ": truncated or no safetensors file: header of " + std::to_string(length) +
                " bytes in a file of " + std::to_string(file.size()));
  std::string text(length, '\0');
  file.read(sizeof raw, text.data(), length);
  if (text.empty() || text[0] != '{') throw Error(path + ": no safetensors header");
  const Json json = parse_json(text, path + " header");
  SafetensorsHeader header;
  for (const auto& [name, value] : json.items()) {
    if (name != "__metadata__") {
      header.tensors.push_back(parse_tensor(name, value, path + ": tensor '" + name + "'"));
      continue;
    }
    if (!value.is_object()) throw Error(path + ": __metadata__ must be an object of strings");
    for (const auto& [key, item] : value.items())
      header.metadata[key] = json_string(value, key, path + ": __metadata__");
  }
  check_layout(header.tensors, file.size() - sizeof raw - length, path);
  for (TensorInfo& info : header.tensors) info.offset += sizeof raw + length;
  return header;
}

namespace {

// Length and JSON of a file whose tensors lie in this order.
std::string make_header(const std::vector<TensorInfo>& tensors,
                        const std::map<std::string, std::string>& metadata,
                        const std::string& path) {
  Json json = Json::object();
  if (!metadata.empty()) json["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const TensorInfo& t : tensors) {
    const uint64_t end = checked_add(
        offset, tensor_nbytes(t.type, t.shape, path + ": tensor '" + t.name + "'"), path);
    json[t.name] = {
        {"dtype", to_string(t.type)}, {"shape", t.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string header = json.dump();
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string size(8, '\0');
  for (int i = 0; i < 8; ++i) size[i] = char(uint64_t(header.size()) >> (8 * i) & 0xFF);
  return size + header;
}

void sort_by_name(auto& tensors) {
  std::sort(tensors.begin(), tensors.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
}

}  // namespace

void write_safetensors(const std::string& path, std::vector<TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata) {
  sort_by_name(tensors);
  std::vector<TensorInfo> info;
  for (const TensorToWrite& t : tensors) info.push_back({t.name, t.type, t.shape, 0, 0});
  const std::string header = make_header(info, metadata, path);
  std::vector<std::string_view> chunks{header};
  for (const TensorToWrite& t : tensors)
    chunks.emplace_back(reinterpret_cast<const char*>(t.data.data()), t.data.size());
  write_file_atomic(path, chunks);
}

void write_safetensors(const std::string& path, std::vector<TensorInfo> info,
                       const std::map<std::string, std::string>& metadata,
                       const std::function<std::vector<std::byte>(const TensorInfo&)>& data) {
  sort_by_name(info);
  AtomicFile file(path);
  file.write(make_header(info, metadata, path));
  for (const TensorInfo& t : info) {
    const std::vector<std::byte> bytes = data(t);
    assert(bytes.size() == tensor_nbytes(t.type, t.shape, path));
    file.write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  file.commit(true);
}

void copy_tensors(const std::string& from, const std::string& to,
                  const std::function<std::string(const std::string&)>& rename) {
  const ReadFile file(from);
  const SafetensorsHeader header = read_safetensors_header(file);
  std::vector<TensorInfo> renamed;
  std::map<std::string, const TensorInfo*> sources;
  for (const TensorInfo& info : header.tensors) {
    renamed.push_back(info);
    renamed.back().name = rename(info.name);
    sources[renamed.back().name] = &info;
  }
  write_safetensors(to, std::move(renamed), header.metadata,
                    [&](const TensorInfo& t) { return read_bytes(file, *sources.at(t.name)); });
}

}  // namespace tptt
