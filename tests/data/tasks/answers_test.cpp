#include "data/tasks/answers.h"

#include <cstdlib>

#include "data/tasks/python_random.h"
#include "models/formats/json.h"
#include "tests/catch.h"

using namespace tptt;

TEST_CASE("answers are normalised as lighteval's helm_normalizer does") {
  CHECK(helm_normalized(" A") == "");
  CHECK(helm_normalized("The  Answer, is: B-52!") == "answer is b 52.0");
  CHECK(helm_normalized("another then") == "another then");
  CHECK(helm_normalized("an\u00e9 \u00e9a a\u2019") == "an\u00e9 \u00e9a \u2019");
  CHECK(helm_normalized("1e5 12 nan infinity 1e16 1e400 007") ==
        "100000.0 12.0 nan inf 1e+16 inf 7.0");
  CHECK(helm_normalized("\tX\n y ") == "x y");
}

TEST_CASE("written answers match as lighteval's own functions say", "[golden]") {
  const char* fresh = std::getenv("TPTT_GOLDEN_DIR");
  const std::string golden = fresh ? fresh : std::string(TPTT_SOURCE_DIR) + "/tests/golden";
  const Json matches = read_json_file(golden + "/benchmarks/expected/matches.json");
  REQUIRE(matches.size() >= 200);
  for (const Json& row : matches) {
    const std::string answer = row[0], written = row[1];
    INFO("'" << answer << "' and '" << written << "'");
    const ExactMatches m = exact_matches(answer, written);
    CHECK(Json({int(m.em), int(m.qem), int(m.pem), int(m.pqem)}) == row[2]);
  }
}

TEST_CASE("a written letter matches as lighteval counts it") {
  const auto match = [](const std::string& answer, const std::string& written) {
    const ExactMatches m = exact_matches(answer, written);
    return std::vector<bool>{m.em, m.qem, m.pem, m.pqem};
  };
  using Four = std::vector<bool>;
  CHECK(match(" B", " B") == Four{true, true, true, true});
  CHECK(match(" B", " B. bla") == Four{false, false, true, true});
  CHECK(match(" B", "b") == Four{false, true, false, true});
  CHECK(match(" B", "Because") == Four{false, false, true, true});
  CHECK(match(" A", " C") == Four{false, false, false, true});  // its article defect
  CHECK(match(" A", "") == Four{false, false, false, false});
  CHECK(match(" A", " ") == Four{false, true, false, true});
}

TEST_CASE("GSM8K's numbers are found as lm-evaluation-harness finds them") {
  CHECK(gsm8k_strict("so 3\n#### 1,234.") == "1,234.");
  CHECK(gsm8k_strict("#### x #### -7 #### 8") == "-7");
  CHECK(gsm8k_strict("the answer is 5") == "[invalid]");
  CHECK(gsm8k_flexible("5 apples or 12.5, at $3") == "$3");
  CHECK(gsm8k_flexible("a - 7") == "7");
  CHECK(gsm8k_flexible("minus -7.") == "-7.");
  CHECK(gsm8k_flexible("none") == "[invalid]");
  CHECK(gsm8k_equal("It is 1200.\n#### 1,200", "$1200."));
  CHECK_FALSE(gsm8k_equal("#### 1200", "120"));
}

// Made by Python: random.Random(seed).sample(range(n), k), .shuffle(list(range(5))).
TEST_CASE("random numbers are Python's") {
  PythonRandom draws(1234);
  CHECK(draws.sample(10, 3) == std::vector<int64_t>{7, 1, 0});
  CHECK(draws.sample(1000, 5) == std::vector<int64_t>{92, 932, 965, 961, 826});
  CHECK(PythonRandom(1234).sample(60, 7) == std::vector<int64_t>{49, 28, 7, 0, 5, 51, 37});
  CHECK(PythonRandom(0).shuffled(5) == std::vector<int64_t>{2, 1, 0, 4, 3});
}
