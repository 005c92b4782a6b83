#include "trainer/log.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>

#include "tests/temp_dir.h"

using namespace tptt;

TEST_CASE("log lines go to stderr with their level, debug only when asked") {
  const TempDir dir;
  const size_t already = logged_warnings().lines.size();
  const int saved = ::dup(STDERR_FILENO);
  REQUIRE(std::freopen((dir.path / "err").c_str(), "w", stderr));
  log_info("a {} b");
  log_debug("hidden");
  set_log_verbose(true);
  log_debug("shown");
  set_log_verbose(false);
  set_log_clears_line(true);
  log_warning("c");
  set_log_clears_line(false);
  log_error("d");
  std::fflush(stderr);
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  CHECK(read_text(dir.path / "err") ==
        "info: a {} b\ndebug: shown\n\r\x1b[Kwarning: c\nerror: d\n");
  REQUIRE(logged_warnings().lines.size() == already + 1);
  CHECK(logged_warnings().lines.back() == "c");
}
