#include "trainer/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fstream>

#include "models/formats/error.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "events.out.tfevents.";

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
    table[i] = c;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = make_crc_table();

// CRCs of data that holds CRCs are weak, so TFRecord stores them turned and shifted.
uint32_t masked_crc(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xa282ead8;
}

template <class Number>
std::string little_endian(Number value) {
  static_assert(std::endian::native == std::endian::little);
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// Fields of the protobuf wire format: a key (number and wire type), then the value.
std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += char((value & 0x7f) | 0x80);
  return out + char(value);
}
std::string number_field(int number, int64_t value) {
  return varint(uint64_t(number) << 3) + varint(uint64_t(value));
}
std::string double_field(int number, double value) {
  return varint(uint64_t(number) << 3 | 1) + little_endian(value);
}
std::string bytes_field(int number, std::string_view value) {
  return varint(uint64_t(number) << 3 | 2) + varint(value.size()) + std::string(value);
}
std::string float_field(int number, float value) {
  return varint(uint64_t(number) << 3 | 5) + little_endian(value);
}

std::string event(double time, int64_t step, const std::string& what) {
  return double_field(1, time) + (step == 0 ? "" : number_field(2, step)) + what;
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

bool is_event_file(const fs::path& path) {
  return path.filename().string().starts_with(kPrefix);
}

// The step of an event: double_field(1, time), then number_field(2, step) unless it is 0.
int64_t step_of(std::string_view event) {
  constexpr size_t kTime = 9;
  if (event.size() <= kTime || event[kTime] != 0x10) return 0;
  uint64_t step = 0;
  for (size_t i = kTime + 1, shift = 0; i < event.size() && shift < 64; ++i, shift += 7) {
    step |= uint64_t(event[i] & 0x7f) << shift;
    if (!(event[i] & 0x80)) break;
  }
  return int64_t(step);
}

// Where the records up to `last_step` end.
uint64_t end_of_records(std::istream& file, uint64_t size, int64_t last_step) {
  constexpr uint64_t kHead = 12, kAround = 16;
  uint64_t at = 0;
  while (size - at >= kAround) {
    char bytes[kHead + 20];  // and what of the event tells its step
    file.seekg(std::streamoff(at));
    file.read(bytes, sizeof bytes);
    const auto count = size_t(file.gcount());
    file.clear();
    uint64_t length = 0;
    std::memcpy(&length, bytes, sizeof length);
    if (count < kHead || length > size - at - kAround) break;
    const std::string_view event(bytes + kHead, std::min<size_t>(count - kHead, length));
    if (step_of(event) > last_step) break;
    at += length + kAround;
  }
  return at;
}

// Files are read in the order of their names: a clock set back must not put this one before those.
int64_t time_after_older_files(const fs::path& directory) {
  int64_t time = int64_t(now());
  std::error_code unreadable;  // creating the file then says so
  for (const auto& entry : fs::directory_iterator(directory, unreadable)) {
    if (!is_event_file(entry.path())) continue;
    const std::string name = entry.path().filename().string();
    int64_t older = 0;
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), older);
    if (older < int64_t(1) << 40) time = std::max(time, older + 1);
  }
  return time;
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 && name[0] ? name : "localhost";
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char byte : bytes) crc = crc >> 8 ^ kCrcTable[(crc ^ uint8_t(byte)) & 0xff];
  return ~crc;
}

std::string tf_record(std::string_view bytes) {
  const std::string length = little_endian(uint64_t(bytes.size()));
  return length + little_endian(masked_crc(length)) + std::string(bytes) +
         little_endian(masked_crc(bytes));
}

std::string version_event(double time) {
  return event(time, 0, bytes_field(3, "brain.Event:2"));
}

std::string start_event(double time, int64_t step) {
  constexpr int kStart = 1;
  return event(time, step, bytes_field(7, number_field(1, kStart)));
}

std::string scalars_event(double time, int64_t step,
                          const std::vector<std::pair<std::string, double>>& scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars)
    summary += bytes_field(1, bytes_field(1, tag) + float_field(2, float(value)));
  return event(time, step, bytes_field(5, summary));
}

std::string text_event(double time, int64_t step, const std::string& tag, const std::string& text) {
  constexpr int kString = 7, kTensorClass = 2;
  const std::string shape = bytes_field(2, number_field(1, 1));  // one dimension of size 1
  const std::string tensor = number_field(1, kString) + bytes_field(2, shape) +
                             bytes_field(8, text);  // TensorProto: dtype, shape, string_val
  const std::string metadata =
      bytes_field(1, bytes_field(1, "text")) + number_field(4, kTensorClass);
  const std::string value = bytes_field(1, tag) + bytes_field(8, tensor) + bytes_field(9, metadata);
  return event(time, step, bytes_field(5, bytes_field(1, value)));
}

void truncate_events(const fs::path& directory, int64_t last_step) {
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (!is_event_file(entry.path()) || !entry.is_regular_file()) continue;
    const uint64_t size = entry.file_size();
    std::ifstream file(entry.path(), std::ios::binary);
    if (!file) throw Error(entry.path().string() + ": cannot be opened for reading");
    const uint64_t end = end_of_records(file, size, last_step);
    std::error_code failed;
    if (end < size) fs::resize_file(entry.path(), end, failed);
    if (failed) throw Error(entry.path().string() + ": cannot be cut: " + failed.message());
  }
}

EventFile::EventFile(const fs::path& directory, int64_t first_step) {
  const std::string name = std::string(kPrefix) +
                           std::to_string(time_after_older_files(directory)) + "." + host_name() +
                           "." + std::to_string(::getpid());
  path_ = (directory / name).string();
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) throw Error(path_ + ": cannot be created: " + std::strerror(errno));
  append(version_event(now()));
  append(start_event(now(), first_step));
}

EventFile::~EventFile() {
  ::close(fd_);
}

void EventFile::add_scalars(int64_t step,
                            const std::vector<std::pair<std::string, double>>& scalars) {
  append(scalars_event(now(), step, scalars));
}

void EventFile::add_text(int64_t step, const std::string& tag, const std::string& text) {
  append(text_event(now(), step, tag, text));
}

void EventFile::append(const std::string& event) {
  const std::string record = tf_record(event);
  errno = 0;
  if (::write(fd_, record.data(), record.size()) != ssize_t(record.size()))
    throw Error(path_ + ": cannot be appended to: " + std::strerror(errno));
}

}  // namespace tptt
