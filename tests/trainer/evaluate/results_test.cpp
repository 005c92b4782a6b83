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

TEST_CASE("a group has the harness' version only where it was asked by the harness' protocol") {
  for (const Protocol protocol : {Protocol::lm_eval, Protocol::lighteval}) {
    Asked asked = ask("social_sciences", protocol);
    Task other;
    other.name = "piqa";
    asked.tasks.insert(asked.tasks.begin(), other);
    for (Task& task : asked.tasks) task.kind = &find_task_kind(task.name), task.num_fewshot = 3;
    asked.samples.push_back({.task = "piqa", .target = 0});
    const Json json = to_json(summarize_all(asked.tasks, asked.samples), asked.tasks, {});
    CHECK(json["versions"].contains("mmlu_social_sciences") == (protocol == Protocol::lm_eval));
    CHECK(json["versions"].contains("piqa"));
    CHECK(json["n-shot"]["mmlu_social_sciences"] == 3);
  }
}

TEST_CASE("a corrected pqem and its error are those of the questions whose answer is not A") {
  Task task;
  task.name = "mmlu_virology", task.protocol = Protocol::lighteval;
  std::vector<Sample> samples;
  for (int64_t i = 0; i < 40; ++i) {
    const int64_t target = i % 4;
    samples.push_back({.task = task.name, .doc_id = i, .target = target});
    samples.back().scores =
        lighteval_scores(std::string(1, char('A' + target)), i < 20 ? " C" : " D");
  }
  task.docs.resize(samples.size());
  const Results results = summarize_all({task}, samples);
  const Metric* corrected = find_metric(results.tasks[0], "pqem_corrected,none");
  REQUIRE(corrected);
  std::vector<double> others;
  for (const Sample& sample : samples)
    if (sample.target != 0) others.push_back(sample.scores.at("pqem,none"));
  const Metric mean = mean_of("", others);
  CHECK(corrected->value == Approx(mean.value));
  // sd (n - 1) over 40 instead of 30 questions
  CHECK(*corrected->standard_error == Approx(*mean.standard_error).epsilon(0.02));
  for (const TaskResult& floor : results.floors)
    CHECK(find_metric(floor, "pqem_corrected,none")->value ==
          Approx(floor.name == "always A"         ? 0
                 : floor.name == "random letters" ? 0.25
                                                  : 1.0 / 3)
              .margin(1e-9));
}

TEST_CASE("where all answers are A, or a task has one question, nothing is made up") {
  Task task;
  task.name = "mmlu_virology", task.protocol = Protocol::lighteval;
  std::vector<Sample> samples(7, {.task = task.name, .target = 0});
  for (Sample& sample : samples) sample.scores = lighteval_scores("A", " B");
  CHECK_FALSE(find_metric(summarize_all({task}, samples).tasks[0], "pqem_corrected,none"));
  samples.resize(1), samples[0].target = 1;
  const Results one = summarize_all({task}, samples);
  REQUIRE(find_metric(one.tasks[0], "pqem_corrected,none"));
  CHECK_FALSE(find_metric(one.tasks[0], "pqem_corrected,none")->standard_error);
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

TEST_CASE("a samples file has one writer, and adds up the time of all") {
  const TempDir dir;
  const auto path = dir.path / "a.samples.jsonl";
  {
    SamplesFile file(path, "run", false);
    file.add({.task = "piqa", .doc_id = 0, .target = 0});
    CHECK_THROWS_WITH(SamplesFile(path, "run", true), Catch::Contains("another evaluation writes"));
    SamplesFile late(dir.path / "b.samples.jsonl", "run", false);
    write_text(dir.path / "b.samples.jsonl", "");
    CHECK_THROWS_WITH(late.add({.task = "piqa"}),
                      Catch::Contains("b.samples.jsonl: another evaluation"));
  }
  std::string text = read_text(path);
  const size_t seconds = text.find("\"seconds\":");
  text.replace(seconds, text.find(',', seconds) - seconds, "\"seconds\":7.5");
  write_text(path, text);
  SamplesFile file(path, "run", true);
  CHECK(file.seconds() == 7.5);
  file.add({.task = "piqa", .doc_id = 1, .target = 0});
  CHECK(file.seconds() >= 7.5);
  CHECK(read_samples(path).size() == 2);
}

TEST_CASE("questions that came out differently are listed, and others are not paired") {
  std::vector<Sample> first(3), second;
  for (int64_t i = 0; i < 3; ++i) {
    first[size_t(i)] = {.task = "lambada_openai", .doc_id = i, .doc_hash = "q", .prediction = 0};
    first[size_t(i)].scores = {{"acc,none", 1}, {"perplexity,none", -1}};
  }
  second = first;
  second[0].scores = {{"acc,none", 1}, {"perplexity,none", -2}};
  second[1].scores = {{"acc,none", 0}, {"perplexity,none", -2}};
  const Json changed = changed_questions(first, second);
  REQUIRE(changed.size() == 1);
  CHECK(changed[0]["doc_id"] == 1);
  CHECK(changed[0]["scores"]["acc,none"] == Json({1, 0}));
  CHECK(num_missing(first, {second[0], second[2]}) == 1);
  second[2].doc_hash = "another";
  CHECK_THROWS_WITH(score_changes(first, second),
                    Catch::Contains("question 2 of lambada_openai is another"));
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
