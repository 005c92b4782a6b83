#include "trainer/html.h"

#include <catch2/catch.hpp>

using namespace tptt;
using Catch::Matchers::Contains;

TEST_CASE("nothing in a text is taken for HTML") {
  CHECK(escape_html("<b a='\"'>&\n\t") == "&lt;b a=&#39;&quot;&#39;&gt;&amp;\n\t");
  CHECK(escape_html(std::string("a\0\x1b\x7f", 4)) == "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

TEST_CASE("a long text is cut between characters and says so") {
  CHECK(cut_text("abc", 3) == "abc");
  CHECK(cut_text("abcd", 3) == "abc [... 1 more bytes]");
  CHECK(cut_text("a\u00e9\u20ac", 4) == "a\u00e9 [... 3 more bytes]");
  CHECK(cut_text("\u20ac", 1) == " [... 3 more bytes]");
}

TEST_CASE("a page loads nothing and runs nothing") {
  const std::string page = html_page("a < b", "<p>x</p>");
  CHECK_THAT(page, Contains("<title>a &lt; b</title>") && Contains("<p>x</p>"));
  CHECK_THAT(page, Contains("default-src 'none'"));
  CHECK_THAT(page, !Contains("<script") && !Contains("http:") && !Contains("https:"));
}
