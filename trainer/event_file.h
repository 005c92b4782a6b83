#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tptt {

/// CRC-32C (Castagnoli) of the bytes, as in RFC 3720, B.4.
uint32_t crc32c(std::string_view bytes);

/// A TFRecord: length (uint64), its masked CRC, the bytes, their masked CRC; little endian.
std::string tf_record(std::string_view bytes);

/// Messages of tensorboard/compat/proto/event.proto, encoded. Times are seconds since 1970.
std::string version_event(double time);
/// Readers then drop what earlier files of the directory have for this step and later ones.
std::string start_event(double time, int64_t step);
std::string scalars_event(double time, int64_t step,
                          const std::vector<std::pair<std::string, double>>& scalars);
/// Markdown for the text plugin.
std::string text_event(double time, int64_t step, const std::string& tag, const std::string& text);

/// Cuts off what the event files in `directory` have of later steps, and a last record that a crash
/// cut off. Readers that are open meanwhile learn of it from the start_event of the next file; not
/// every reader heeds that alone. Throws Error.
void truncate_events(const std::filesystem::path& directory, int64_t last_step);

/// A TensorBoard event file that is written event by event.
class EventFile {
 public:
  /// Begins events.out.tfevents.TIME.HOST.PID in `directory`, to be read after those that are
  /// there: with a version event, and from `first_step` on. Throws Error.
  EventFile(const std::filesystem::path& directory, int64_t first_step);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  /// Appends to the file at once, in a single write. Throws Error.
  void add_scalars(int64_t step, const std::vector<std::pair<std::string, double>>& scalars);
  void add_text(int64_t step, const std::string& tag, const std::string& text);

 private:
  void append(const std::string& event);

  std::string path_;
  int fd_;
};

}  // namespace tptt
