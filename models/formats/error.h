#pragma once

#include <stdexcept>
#include <string>

namespace tptt {

/// Something the user can mend: one line that names the file, line or key, what was expected and
/// what to do. Leaves the program with exit code 1.
struct Error : std::runtime_error {
  explicit Error(const std::string& text) : std::runtime_error(one_line(text)) {}

 private:
  /// A name in a file may hold line ends, and a null character, which would end the message.
  static std::string one_line(std::string text) {
    for (char& c : text)
      if (static_cast<unsigned char>(c) < ' ') c = ' ';
    return text;
  }
};

/// A wrong command line or configuration. Leaves the program with exit code 2.
struct UsageError : Error {
  using Error::Error;
};

}  // namespace tptt
