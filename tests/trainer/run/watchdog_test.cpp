#include "trainer/watchdog.h"

#include <catch2/catch.hpp>
#include <thread>

#include "trainer/log.h"

using namespace tptt;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

TEST_CASE("a step that takes far longer than the others is warned about once") {
  const auto lines = [] { return logged_warnings().lines; };
  const size_t before = lines().size();
  {
    Watchdog watchdog({.least = 50ms, .first = 10s, .times = 3});
    for (int step = 1; step <= 3; ++step) {
      watchdog.begin("step " + std::to_string(step));
      watchdog.done();
      std::this_thread::sleep_for(80ms);  // between steps it watches nothing
    }
    CHECK(lines().size() == before);
    watchdog.begin("step 4");
    for (int i = 0; i < 500 && lines().size() == before; ++i) std::this_thread::sleep_for(10ms);
    std::this_thread::sleep_for(150ms);
    watchdog.done();
  }
  REQUIRE(lines().size() == before + 1);
  CHECK_THAT(lines().back(), Contains("step 4 has taken 0.05 s"));
}
