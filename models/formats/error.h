#pragma once

#include <stdexcept>
#include <string>

namespace tptt {

/// Something the user can mend: one line that names the file, line or key, what was expected and
/// what to do. Leaves the program with exit code 1.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A wrong command line or configuration. Leaves the program with exit code 2.
struct UsageError : Error {
  using Error::Error;
};

}  // namespace tptt
