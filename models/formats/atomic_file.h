#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tptt {

/// Writes the chunks to `.NAME.tmp` beside `path`, fsyncs it, renames it into place and fsyncs
/// the directory: readers see the old file or the whole new one. Throws Error with the system's
/// reason.
void write_file_atomic(const std::string& path, std::span<const std::string_view> chunks);
void write_file_atomic(const std::string& path, std::string_view bytes);

/// fsyncs a file, or a directory so that renames in it survive a power loss. Throws Error.
void sync_path(const std::string& path);

}  // namespace tptt
