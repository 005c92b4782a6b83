#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tptt {

/// A file written piece by piece to `.NAME.tmp` beside `path`; without commit it is removed.
class AtomicFile {
 public:
  /// Throws Error with the system's reason.
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// In pieces of a megabyte or more: small writes are slow on a network's file system.
  void write(std::string_view bytes);
  /// fsyncs, puts the file into place and fsyncs the directory. With `replace` an older file
  /// gives way, without it one that is there is an Error.
  void commit(bool replace);

 private:
  void write_out(std::string_view bytes);

  std::string path_, temporary_, waiting_;
  int fd_ = -1;
};

/// Writes the chunks to `.NAME.tmp` beside `path`, fsyncs it, renames it into place and fsyncs
/// the directory: readers see the old file or the whole new one. Throws Error with the system's
/// reason.
void write_file_atomic(const std::string& path, std::span<const std::string_view> chunks);
void write_file_atomic(const std::string& path, std::string_view bytes);

/// Gives each of two files or directories the other's place, at once where the file system can;
/// where not (NFS), by way of `a`-replaced, which must not be there. Throws Error with the system's
/// reason.
void exchange_paths(const std::string& a, const std::string& b);

/// fsyncs a file, or a directory so that renames in it survive a power loss. Throws Error.
void sync_path(const std::string& path);

}  // namespace tptt
