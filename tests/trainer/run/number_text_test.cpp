#include "trainer/number_text.h"

#include <catch2/catch.hpp>

using namespace tptt;

TEST_CASE("numbers for people") {
  CHECK(rounded(0.0081234) == "0.008123");
  CHECK(grouped(0) == "0");
  CHECK(grouped(-123) == "-123");
  CHECK(grouped(1234567) == "1,234,567");
  CHECK(duration_text(0.44) == "0.4 s");
  CHECK(duration_text(42.3) == "42 s");
  CHECK(duration_text(228) == "3 min 48 s");
  CHECK(duration_text(7515) == "2 h 5 min");
  CHECK(duration_text(1e300) == "very long");
}
