#include "trainer/evaluate/prompts.h"

#include "data/tasks/task.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"

using namespace tptt;

namespace {

Task subject(const std::string& name, Protocol protocol, int64_t shots) {
  return load_tasks({.name = "mmlu_" + name,
                     .data = std::string(TPTT_SOURCE_DIR) + "/tests/golden/benchmarks/mmlu",
                     .num_fewshot = shots,
                     .protocol = protocol})[0];
}

}  // namespace

TEST_CASE("MMLU is asked as the original harnesses ask it, character by character", "[golden]") {
  const auto [file, protocol] = GENERATE(std::pair("hendrycks.json", Protocol::hendrycks),
                                         std::pair("lighteval.json", Protocol::lighteval));
  const Json prompts = read_json_file(golden_dir() + "/benchmarks/expected/" + file);
  REQUIRE(prompts.size() >= 4);
  for (const auto& [name, texts] : prompts.items()) {  // "virology 5"
    INFO(file << ", " << name);
    const size_t blank = name.find(' ');
    const Task task = subject(name.substr(0, blank), protocol, std::stoi(name.substr(blank)));
    const auto shots = choose_shots(task);
    REQUIRE(task.docs.size() == texts.size());
    for (size_t i = 0; i < texts.size(); ++i)
      CHECK(shots_text(task, shots[i]) + task.docs[i].context() == texts[i].get<std::string>());
  }
}
