#include "models/formats/gguf_writer.h"

#include <filesystem>
#include <limits>
#include <set>

#include "models/formats/atomic_file.h"
#include "models/formats/checked.h"

namespace tptt {
namespace {

constexpr size_t kMaxTensorName = 63;  // GGML_MAX_NAME less the final zero

template <class Number>
void put(std::string& out, Number value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_string(std::string& out, const std::string& text) {
  put(out, uint64_t(text.size()));
  out += text;
}

template <class T>
void put_integer(std::string& out, int64_t value, const std::string& where) {
  constexpr bool wide = sizeof(T) == 8;
  if (value < (std::is_unsigned_v<T> ? 0 : int64_t(std::numeric_limits<T>::min())) ||
      (!wide && value > int64_t(std::numeric_limits<T>::max())))
    throw Error(where + ": " + std::to_string(value) + " does not fit its integer type");
  put(out, T(value));
}

void put_scalar(std::string& out, GgufType type, bool value, const std::string& where) {
  if (type != GgufType::Bool) throw Error(where + ": a bool must be of type Bool");
  put(out, uint8_t(value));
}

void put_scalar(std::string& out, GgufType type, const std::string& value,
                const std::string& where) {
  if (type != GgufType::String) throw Error(where + ": a string must be of type String");
  put_string(out, value);
}

void put_scalar(std::string& out, GgufType type, double value, const std::string& where) {
  if (type == GgufType::F32) return put(out, float(value));
  if (type == GgufType::F64) return put(out, value);
  throw Error(where + ": a number must be of type F32 or F64");
}

void put_scalar(std::string& out, GgufType type, int64_t value, const std::string& where) {
  switch (type) {
    case GgufType::U8:
      return put_integer<uint8_t>(out, value, where);
    case GgufType::I8:
      return put_integer<int8_t>(out, value, where);
    case GgufType::U16:
      return put_integer<uint16_t>(out, value, where);
    case GgufType::I16:
      return put_integer<int16_t>(out, value, where);
    case GgufType::U32:
      return put_integer<uint32_t>(out, value, where);
    case GgufType::I32:
      return put_integer<int32_t>(out, value, where);
    case GgufType::U64:
      return put_integer<uint64_t>(out, value, where);
    case GgufType::I64:
      return put_integer<int64_t>(out, value, where);
    default:
      throw Error(where + ": an integer must be of an integer type");
  }
}

struct PutValue {
  std::string& out;
  const GgufEntry& entry;
  const std::string& where;

  template <class T>
  void operator()(const T& value) const {
    if (entry.type == GgufType::Array) throw Error(where + ": an Array needs a list");
    put_scalar(out, entry.type, value, where);
  }
  template <class T>
  void operator()(const std::vector<T>& values) const {
    if (entry.type != GgufType::Array) throw Error(where + ": a list must be of type Array");
    put(out, uint32_t(entry.element));
    put(out, uint64_t(values.size()));
    for (const auto& value : values) put_scalar(out, entry.element, T(value), where);
  }
};

void put_metadata(std::string& out, const std::vector<GgufEntry>& metadata,
                  const std::string& path) {
  std::set<std::string> keys;
  for (const GgufEntry& entry : metadata) {
    const std::string where = path + ": key '" + entry.key + "'";
    if (!keys.insert(entry.key).second) throw Error(where + " is there twice");
    put_string(out, entry.key);
    put(out, uint32_t(entry.type));
    std::visit(PutValue{out, entry, where}, entry.value);
  }
}

uint64_t alignment_of(const std::vector<GgufEntry>& metadata, const std::string& path) {
  for (const GgufEntry& entry : metadata) {
    if (entry.key != "general.alignment") continue;
    const auto* value = std::get_if<int64_t>(&entry.value);
    if (!value || *value < 8 || *value > (1 << 20) || *value % 8 != 0)
      throw Error(path + ": general.alignment must be a multiple of 8");
    return uint64_t(*value);
  }
  return 32;
}

uint64_t padding(uint64_t size, uint64_t alignment) {
  return (alignment - size % alignment) % alignment;
}

std::string where_of(const GgufTensor& tensor, const std::string& path) {
  return path + ": tensor '" + tensor.name + "'";
}

void put_tensors(std::string& out, const std::vector<GgufTensor>& tensors, uint64_t alignment,
                 const std::string& path) {
  std::set<std::string> names;
  uint64_t offset = 0;
  for (const GgufTensor& t : tensors) {
    const std::string where = where_of(t, path);
    if (!names.insert(t.name).second) throw Error(where + " is there twice");
    if (t.name.size() > kMaxTensorName) throw Error(where + ": a name of GGUF has up to 63 bytes");
    if (t.shape.empty() || t.shape.size() > 4) throw Error(where + ": expected 1 to 4 dimensions");
    if (info_of(t.type).ggml_id < 0) throw Error(where + ": GGUF has no type " + to_string(t.type));
    put_string(out, t.name);
    put(out, uint32_t(t.shape.size()));
    for (auto size = t.shape.rbegin(); size != t.shape.rend(); ++size) put(out, uint64_t(*size));
    put(out, uint32_t(info_of(t.type).ggml_id));
    put(out, offset);
    const uint64_t nbytes = tensor_nbytes(t.type, t.shape, where);
    offset = checked_add(offset, checked_add(nbytes, padding(nbytes, alignment), where), where);
  }
}

}  // namespace

void write_gguf(const std::string& path, const std::vector<GgufEntry>& metadata,
                const std::vector<GgufTensor>& tensors, const GgufTensorData& data) {
  if (std::filesystem::exists(path))
    throw Error(path + ": is there already; name another file or remove it");
  const uint64_t alignment = alignment_of(metadata, path);
  std::string header = "GGUF";
  put(header, uint32_t(3));
  put(header, uint64_t(tensors.size()));
  put(header, uint64_t(metadata.size()));
  put_metadata(header, metadata, path);
  put_tensors(header, tensors, alignment, path);
  header.append(padding(header.size(), alignment), '\0');
  AtomicFile file(path);
  file.write(header);
  for (const GgufTensor& t : tensors) {
    const std::vector<std::byte> bytes = data(t);
    const uint64_t expected = tensor_nbytes(t.type, t.shape, where_of(t, path));
    if (bytes.size() != expected)
      throw Error(where_of(t, path) + ": got " + std::to_string(bytes.size()) +
                  " bytes, its shape needs " + std::to_string(expected));
    file.write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    file.write(std::string(padding(expected, alignment), '\0'));
  }
  file.commit(false);
}

}  // namespace tptt
