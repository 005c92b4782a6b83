#include "models/formats/gguf.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "models/formats/checked.h"

namespace tptt {
namespace {

constexpr uint64_t kMaxHeader = 512ull << 20;
constexpr uint64_t kMaxName = 64 << 10;
constexpr uint64_t kEntryBytes = 512;  // a key or a tensor in memory, about

uint64_t min_bytes(GgufType type, const std::string& where) {
  switch (type) {
    case GgufType::U8:
    case GgufType::I8:
    case GgufType::Bool:
      return 1;
    case GgufType::U16:
    case GgufType::I16:
      return 2;
    case GgufType::U32:
    case GgufType::I32:
    case GgufType::F32:
      return 4;
    case GgufType::U64:
    case GgufType::I64:
    case GgufType::F64:
    case GgufType::String:
      return 8;
    default:
      throw Error(where + ": unknown or nested value type " + std::to_string(uint32_t(type)));
  }
}

// Reads the header front to back in large pieces; every count is checked against the bytes left.
class Cursor {
 public:
  explicit Cursor(const ReadFile& file) : file_(file), budget_(file.size(), file.path()) {}

  uint64_t at() const { return at_; }
  uint64_t left() const { return file_.size() - at_; }
  MemoryBudget& budget() { return budget_; }

  void bytes(void* to, uint64_t count) {
    if (count > left() || at_ + count > kMaxHeader)
      throw Error(file_.path() + ": truncated: the header goes past the end of the file");
    if (count > 4096) {
      file_.read(at_, to, count);
    } else {
      refill(count);
      std::memcpy(to, buffer_.data() + (at_ - begin_), count);
    }
    at_ += count;
  }

  template <class T>
  T number() {
    T value;
    bytes(&value, sizeof value);
    return value;
  }

  std::string string(uint64_t limit, const std::string& where) {
    const auto length = number<uint64_t>();
    if (length > limit || length > left())
      throw Error(where + ": string of " + std::to_string(length) + " bytes with " +
                  std::to_string(left()) + " left in the file");
    budget_.take(length, 1);
    std::string text(length, '\0');
    bytes(text.data(), length);
    return text;
  }

 private:
  void refill(uint64_t count) {
    if (at_ >= begin_ && at_ + count <= begin_ + buffer_.size()) return;
    begin_ = at_;
    buffer_.resize(std::min<uint64_t>(1 << 20, left()));
    file_.read(begin_, buffer_.data(), buffer_.size());
  }

  const ReadFile& file_;
  MemoryBudget budget_;
  uint64_t at_ = 0, begin_ = 0;
  std::vector<char> buffer_;
};

int64_t read_integer(Cursor& in, GgufType type, const std::string& where) {
  switch (type) {
    case GgufType::U8:
      return in.number<uint8_t>();
    case GgufType::I8:
      return in.number<int8_t>();
    case GgufType::U16:
      return in.number<uint16_t>();
    case GgufType::I16:
      return in.number<int16_t>();
    case GgufType::U32:
      return in.number<uint32_t>();
    case GgufType::I32:
      return in.number<int32_t>();
    case GgufType::I64:
      return in.number<int64_t>();
    default:
      break;
  }
  return checked_int64(in.number<uint64_t>(), where);
}

double read_real(Cursor& in, GgufType type) {
  return type == GgufType::F32 ? double(in.number<float>()) : in.number<double>();
}

bool read_bool(Cursor& in, const std::string& where) {
  const auto value = in.number<uint8_t>();
  if (value > 1) throw Error(where + ": a bool must be 0 or 1");
  return value == 1;
}

GgufValue read_array(Cursor& in, GgufType& type, const std::string& where) {
  type = GgufType(in.number<uint32_t>());
  const auto count = in.number<uint64_t>();
  check_count(count, min_bytes(type, where), in.left(), where + ": values of an array");
  const auto fill = [&](auto values, auto read) -> GgufValue {
    in.budget().take(count, sizeof values[0]);
    values.reserve(count);
    for (uint64_t i = 0; i < count; ++i) values.push_back(read());
    return values;
  };
  if (type == GgufType::String)
    return fill(std::vector<std::string>(), [&] { return in.string(kMaxName, where); });
  if (type == GgufType::Bool)
    return fill(std::vector<bool>(), [&] { return read_bool(in, where); });
  if (type == GgufType::F32 || type == GgufType::F64)
    return fill(std::vector<double>(), [&] { return read_real(in, type); });
  return fill(std::vector<int64_t>(), [&] { return read_integer(in, type, where); });
}

GgufValue read_value(Cursor& in, GgufEntry& entry, const std::string& where) {
  const GgufType type = entry.type = GgufType(in.number<uint32_t>());
  if (type == GgufType::Array) return read_array(in, entry.element, where);
  min_bytes(type, where);
  if (type == GgufType::String) return in.string(16 << 20, where);
  if (type == GgufType::Bool) return read_bool(in, where);
  if (type == GgufType::F32 || type == GgufType::F64) return read_real(in, type);
  return read_integer(in, type, where);
}

TensorInfo read_tensor(Cursor& in, const std::string& path) {
  TensorInfo info;
  info.name = in.string(kMaxName, path + ": tensor name");
  const std::string where = path + ": tensor '" + info.name + "'";
  const auto dims = in.number<uint32_t>();
  if (dims < 1 || dims > 4) throw Error(where + ": expected 1 to 4 dimensions");
  for (uint32_t i = 0; i < dims; ++i) {
    info.shape.insert(info.shape.begin(), checked_int64(in.number<uint64_t>(), where));
  }
  info.type = ggml_type(in.number<uint32_t>(), where);
  info.offset = in.number<uint64_t>();
  info.nbytes = tensor_nbytes(info.type, info.shape, where);
  return info;
}

void place_tensors(GgufHeader& header, uint64_t header_end, uint64_t file_size) {
  const std::string& path = header.path;
  const int64_t alignment = header.get_int("general.alignment", 32);
  if (alignment < 8 || alignment > (1 << 20) || alignment % 8 != 0)
    throw Error(path + ": general.alignment must be a multiple of 8");
  const uint64_t a = uint64_t(alignment);
  const uint64_t start = checked_add(header_end, a - 1, path) / a * a;
  for (TensorInfo& info : header.tensors) {
    const std::string where = path + ": tensor '" + info.name + "'";
    if (info.offset % a != 0) throw Error(where + ": offset is not aligned");
    info.offset = checked_add(info.offset, start, where);
    if (checked_add(info.offset, info.nbytes, where) > file_size)
      throw Error(where + ": truncated: ends at " + std::to_string(info.offset + info.nbytes) +
                  " of " + std::to_string(file_size) + " bytes");
  }
}

template <class T>
const T* find(const GgufHeader& header, const std::string& key, const char* expected) {
  const auto it = header.metadata.find(key);
  if (it == header.metadata.end()) return nullptr;
  const T* value = std::get_if<T>(&it->second);
  if (!value) throw Error(header.path + ": key '" + key + "' must be " + expected);
  return value;
}

template <class T>
const T& require(const GgufHeader& header, const std::string& key, const char* expected) {
  const T* value = find<T>(header, key, expected);
  if (!value) throw Error(header.path + ": key '" + key + "' is missing");
  return *value;
}

}  // namespace

GgufHeader read_gguf_header(const ReadFile& file) {
  GgufHeader header;
  header.path = file.path();
  Cursor in(file);
  char magic[4];
  in.bytes(magic, sizeof magic);
  if (std::string_view(magic, 4) != "GGUF") throw Error(header.path + ": no GGUF file");
  const auto version = in.number<uint32_t>();
  if (version != 2 && version != 3)
    throw Error(header.path + ": GGUF version " + std::to_string(version) + "; expected 2 or 3");
  const auto num_tensors = in.number<uint64_t>();
  const auto num_keys = in.number<uint64_t>();
  check_count(num_tensors, 24, in.left(), header.path + ": tensors");
  check_count(num_keys, 13, in.left(), header.path + ": keys");
  in.budget().take(num_tensors + num_keys, kEntryBytes);
  for (uint64_t i = 0; i < num_keys; ++i) {
    const std::string key = in.string(kMaxName, header.path + ": key");
    const std::string where = header.path + ": key '" + key + "'";
    GgufEntry& entry = header.stored.emplace_back();
    entry.key = key;
    if (!header.metadata.emplace(key, read_value(in, entry, where)).second)
      throw Error(where + " is there twice");
  }
  std::set<std::string> names;
  for (uint64_t i = 0; i < num_tensors; ++i) {
    header.tensors.push_back(read_tensor(in, header.path));
    if (!names.insert(header.tensors.back().name).second)
      throw Error(header.path + ": tensor '" + header.tensors.back().name + "' is there twice");
  }
  place_tensors(header, in.at(), file.size());
  return header;
}

std::vector<GgufEntry> GgufHeader::entries() const {
  std::vector<GgufEntry> entries = stored;
  for (GgufEntry& entry : entries) entry.value = metadata.at(entry.key);
  return entries;
}
int64_t GgufHeader::get_int(const std::string& key) const {
  return require<int64_t>(*this, key, "an integer");
}
int64_t GgufHeader::get_int(const std::string& key, int64_t fallback) const {
  const auto* value = find<int64_t>(*this, key, "an integer");
  return value ? *value : fallback;
}
double GgufHeader::get_number(const std::string& key) const {
  return require<double>(*this, key, "a number");
}
double GgufHeader::get_number(const std::string& key, double fallback) const {
  const auto* value = find<double>(*this, key, "a number");
  return value ? *value : fallback;
}
bool GgufHeader::get_bool(const std::string& key, bool fallback) const {
  const auto* value = find<bool>(*this, key, "a bool");
  return value ? *value : fallback;
}
std::string GgufHeader::get_string(const std::string& key) const {
  return require<std::string>(*this, key, "a string");
}
std::string GgufHeader::get_string(const std::string& key, const std::string& fallback) const {
  const auto* value = find<std::string>(*this, key, "a string");
  return value ? *value : fallback;
}
const std::vector<std::string>& GgufHeader::get_strings(const std::string& key) const {
  return require<std::vector<std::string>>(*this, key, "a list of strings");
}
const std::vector<int64_t>& GgufHeader::get_ints(const std::string& key) const {
  return require<std::vector<int64_t>>(*this, key, "a list of integers");
}
const std::vector<double>& GgufHeader::get_numbers(const std::string& key) const {
  return require<std::vector<double>>(*this, key, "a list of numbers");
}

}  // namespace tptt
