#include "trainer/evaluate/results.h"

#include <cmath>

#include "data/tasks/mmlu.h"
#include "tests/catch.h"
#include "tests/temp_dir.h"
#include "trainer/evaluate/changes.h"

using namespace tptt;

namespace {

// A question for each subject of a group, answered A, C, C, C and so on.
struct Asked {
  std::vector<Task> tasks;
  std::vector<Sample> samples;
};

Asked ask(const std::string& group, Protocol protocol) {
  Asked all;
  for (const MmluSubject& subject : mmlu_subjects()) {
    if (subject.group != group) continue;
    Task task;
    task.name = std::string("mmlu_") + subject.name;
    task.protocol = protocol;
    task.docs.resize(1);
    const int64_t target = all.tasks.size() % 4 == 0 ? 0 : 2;
    all.samples.push_back({.task = task.name, .target = target});
    all.samples.back().scores = lighteval_scores(target == 0 ? "A" : "C", " C");
    all.tasks.push_back(task);
  }
  return all;
}

}  // namespace

TEST_CASE("a group's corrected pqem is made of the group's pqem and share of A") {
  const Asked asked = ask("social_sciences", Protocol::lighteval);
  REQUIRE(asked.tasks.size() == 12);
  const Results results = summarize_all(asked.tasks, asked.samples);
  // Subjects whose only answer is A have no corrected score of their own.
  CHECK_FALSE(find_metric(results.tasks[0], "pqem_corrected,none"));
  REQUIRE(find_metric(results.tasks[1], "pqem_corrected,none"));
  REQUIRE(results.groups.size() == 1);
  CHECK(results.groups[0].name == "mmlu_social_sciences");
  CHECK(find_metric(results.groups[0], "pqem,none")->value == 1);
  CHECK(find_metric(results.groups[0], "pem,none")->value == Approx(9.0 / 12));
  CHECK(find_metric(results.groups[0], "pqem_corrected,none")->value == Approx(1));
}

TEST_CASE("subjects that are asked by different protocols are no group") {
  Asked asked = ask("social_sciences", Protocol::lighteval);
  asked.tasks[5].protocol = Protocol::lm_eval;
  CHECK(summarize_all(asked.tasks, asked.samples).groups.empty());
}

TEST_CASE("scores that are no numbers come back from a samples file, and are compared") {
  const TempDir dir;
  const auto path = dir.path / "a.samples.jsonl";
  Sample sample{.task = "truthfulqa_mc2", .doc_id = 3, .log_likelihoods = {NAN, -1}, .target = 0};
  sample.scores = {{"acc,none", NAN}};
  SamplesFile(path, "run", false).add(sample);
  const auto read = read_samples(path);
  REQUIRE(read.size() == 1);
  CHECK(std::isnan(read[0].scores.at("acc,none")));
  CHECK(std::isnan(read[0].log_likelihoods[0]));
  CHECK(read[0].log_likelihoods[1] == -1);
  CHECK(to_json(score_changes(read, read)[0]).dump().find("null") != std::string::npos);
}

TEST_CASE("a perplexity is compared by its log-likelihoods") {
  std::vector<Sample> first(2), second(2);
  for (int i = 0; i < 2; ++i) {
    first[size_t(i)] = {.task = "lambada_openai", .doc_id = i};
    second[size_t(i)] = first[size_t(i)];
    first[size_t(i)].scores = {{"perplexity,none", -4.0 - i}};
    second[size_t(i)].scores = {{"perplexity,none", -3.0 - i}};
  }
  const auto changes = score_changes(first, second);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].score == "log_likelihood,none");
  CHECK(changes[0].paired.first == Approx(-4.5));
  CHECK(changes[0].paired.difference == Approx(1));
}

TEST_CASE("a file that holds no whole line of an evaluation is left as it is") {
  const TempDir dir;
  const auto path = dir.path / "notes.jsonl";
  write_text(path, R"({"mine": 1})");
  CHECK_THROWS_WITH(SamplesFile(path, "run", true), Catch::Contains("no whole line"));
  CHECK(read_text(path) == R"({"mine": 1})");
}
