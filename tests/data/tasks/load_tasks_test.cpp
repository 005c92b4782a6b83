#include <filesystem>
#include <fstream>

#include "data/tasks/split_files.h"
#include "data/tasks/task.h"
#include "models/formats/error.h"
#include "tests/catch.h"
#include "tests/temp_dir.h"

using namespace tptt;
namespace fs = std::filesystem;

namespace {

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

std::string message_of(const TaskRequest& request) {
  try {
    load_tasks(request);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

const std::string kRow = "\"What, then?\",one,two,three,four,B\n";

}  // namespace

TEST_CASE("MMLU is read from all layouts that people have") {
  const TempDir dir;
  const std::string json =
      R"({"question": "What, then?", "subject": "virology", "choices": ["one", "two", "three", "four"], "answer": 1})"
      "\n";
  SECTION("the original CSV files") {
    write(dir.path / "test/virology_test.csv", kRow);
    write(dir.path / "dev/virology_dev.csv", kRow);
  }
  SECTION("one folder a subject") {
    write(dir.path / "virology/test-00000-of-00001.jsonl", json);
    write(dir.path / "virology/dev-00000-of-00001.jsonl", json);
    write(dir.path / "all/test-00000-of-00001.jsonl", "broken, and not read");
  }
  SECTION("one file of all subjects") {
    const std::string other =
        R"({"question": "?", "subject": "anatomy", "choices": ["a", "b", "c", "d"], "answer": "C"})";
    write(dir.path / "test.jsonl", other + "\n" + json);
    write(dir.path / "dev.jsonl", json + other + "\n");
  }
  const auto tasks =
      load_tasks({.name = "mmlu_virology", .data = dir.path.string(), .num_fewshot = 1});
  REQUIRE(tasks.size() == 1);
  CHECK(tasks[0].name == "mmlu_virology");
  CHECK(tasks[0].description ==
        "The following are multiple choice questions (with answers) about virology.\n\n");
  REQUIRE(tasks[0].docs.size() == 1);
  REQUIRE(tasks[0].shots.size() == 1);
  const Doc& doc = tasks[0].docs[0];
  CHECK(doc.context() == "What, then?\nA. one\nB. two\nC. three\nD. four\nAnswer:");
  CHECK(doc.choices == std::vector<std::string>{"A", "B", "C", "D"});
  CHECK(doc.right == std::vector<int64_t>{1});
}

TEST_CASE("of a file of several subjects each is asked its own questions") {
  const TempDir dir;
  const auto row = [](const std::string& question, const std::string& subject) {
    return R"({"question": ")" + question + R"(", "subject": ")" + subject +
           R"(", "choices": ["a", "b", "c", "d"], "answer": "C"})" + "\n";
  };
  const std::string path = (dir.path / "all.jsonl").string();
  const auto ask = [&](const std::string& subject) {
    return TaskRequest{
        .name = "mmlu_" + subject, .data = path, .shots_data = path, .num_fewshot = 1};
  };
  SECTION("which the rows name") {
    write(path, row("Who?", "anatomy") + row("Where?", "virology") + row("When?", "virology"));
    const auto one = load_tasks(ask("virology"));
    REQUIRE(one[0].docs.size() == 2);
    CHECK(one[0].docs[0].context().starts_with("Where?"));
    CHECK(one[0].shots.size() == 2);
    const auto both = load_tasks(std::vector{ask("virology"), ask("anatomy")});
    CHECK(both[0].docs.size() == 2);
    CHECK(both[1].docs.size() == 1);
  }
  SECTION("which they must name if two subjects are asked of it") {
    write(path, R"({"question": "?", "choices": ["a", "b", "c", "d"], "answer": "C"})");
    CHECK(load_tasks(ask("virology"))[0].docs.size() == 1);
    const TaskRequest own{.name = "custom_choice", .data = path};
    CHECK(load_tasks(std::vector{ask("virology"), own})[0].docs.size() == 1);
    auto other = ask("anatomy");
    other.data = (dir.path / "." / "all.jsonl").string();
    CHECK_THROWS_AS(load_tasks(std::vector{ask("virology"), other}), Error);
    CHECK_THROWS_WITH(load_tasks(std::vector{ask("virology"), ask("anatomy")}),
                      Catch::Contains("all.jsonl:1") && Catch::Contains("'subject' is missing"));
  }
}

TEST_CASE("MMLU's protocols write the question in their own way") {
  const TempDir dir;
  write(dir.path / "high_school_physics.csv", "\"  Why?\",a,b,c,d,D\n");
  const auto task = [&](Protocol protocol) {
    return load_tasks({.name = "mmlu_high_school_physics",
                       .data = (dir.path / "high_school_physics.csv").string(),
                       .protocol = protocol})[0];
  };
  const std::string rest = "\nA. a\nB. b\nC. c\nD. d\nAnswer:";
  CHECK(task(Protocol::lm_eval).docs[0].context() == "Why?" + rest);
  CHECK(task(Protocol::hendrycks).docs[0].context() == "  Why?" + rest);
  CHECK(task(Protocol::hendrycks).description ==
        "The following are multiple choice questions (with answers) about  high school "
        "physics.\n\n");
  CHECK(task(Protocol::lighteval).docs[0].context() == "Question:   Why?" + rest);
  CHECK(task(Protocol::lighteval).docs[0].right_text == "d");
}

TEST_CASE("what is wrong with a benchmark's files is said with file and row") {
  const TempDir dir;
  const fs::path test = dir.path / "test/virology_test.csv";
  TaskRequest request{.name = "mmlu_virology", .data = dir.path.string()};
  SECTION("a short row") {
    write(test, kRow + "why?,a,b,c,A\n");
    CHECK(message_of(request) ==
          test.string() + ":2: expected 6 fields (question, A, B, C, D, answer), got 5");
  }
  SECTION("another letter") {
    write(test, "why?,a,b,c,d,E\n");
    CHECK(message_of(request) == test.string() + ":1: \"answer\" is \"E\"; expected A, B, C or D");
  }
  SECTION("no such subject") {
    write(test, kRow);
    request.name = "mmlu_astrology";
    CHECK_THROWS_AS(load_tasks(request), UsageError);
    CHECK_THAT(message_of(request), Catch::Contains("task 'mmlu_astrology': expected"));
  }
  SECTION("a subject that is missing") {
    write(test, kRow);
    request.name = "mmlu_anatomy";
    CHECK_THAT(message_of(request), Catch::Contains("no test questions of anatomy; expected "
                                                    "test/anatomy_test.csv"));
  }
  SECTION("no shots") {
    write(test, kRow);
    request.num_fewshot = 5;
    CHECK_THAT(message_of(request),
               Catch::Contains("no dev questions of virology for 5 shots; name a file of "
                               "shots, or ask for none"));
    write(dir.path / "dev/virology_dev.csv", kRow);
    CHECK_THAT(message_of(request), Catch::Contains("virology_dev.csv: has 1 questions of "
                                                    "virology, too few for 5 shots"));
  }
  SECTION("an index that is none") {
    const fs::path rows = dir.path / "rows.jsonl";
    write(rows, R"({"question": "?", "choices": ["a", "b"], "answer": 2})");
    CHECK(message_of({.name = "arc_easy", .data = rows.string()}) ==
          rows.string() + ":1: \"answer\" is 2; expected 0 to 1, the index of a choice");
  }
  SECTION("a directory of other files") {
    write(dir.path / "notes.txt", "?");
    CHECK_THAT(message_of(request), Catch::Contains("no file whose name says its split"));
  }
  SECTION("a split that two files say they hold") {
    write(dir.path / "test.jsonl", "{}");
    write(dir.path / "test-00000-of-00001.jsonl", "{}");
    CHECK_THAT(message_of({.name = "piqa", .data = dir.path.string()}),
               Catch::Contains("no validation questions"));
    CHECK_THAT(message_of({.name = "arc_easy", .data = dir.path.string()}),
               Catch::Contains("both say that they hold these questions"));
  }
  SECTION("an empty question of one's own") {
    const fs::path rows = dir.path / "rows.jsonl";
    write(rows, R"({"question": " ", "answer": "a"})");
    CHECK(message_of({.name = "custom_match", .data = rows.string()}) ==
          rows.string() + ":1: \"question\" is empty");
  }
  SECTION("an answer of one's own that has several lines") {
    const fs::path rows = dir.path / "rows.jsonl";
    write(rows, R"({"question": "?", "answer": "a\nb"})");
    CHECK(message_of({.name = "custom_match", .data = rows.string()}) ==
          rows.string() + ":1: \"answer\" has several lines; what is written ends with the line");
  }
  SECTION("shots of which none is asked for") {
    write(test, kRow);
    request.num_fewshot.reset();
    request.shots_data = test.string();
    CHECK_THAT(message_of(request),
               Catch::Contains("shots for mmlu_virology, which takes none unless num_fewshot"));
  }
  SECTION("shots where there are none") {
    write(dir.path / "rows.jsonl", R"({"text": "a b"})");
    CHECK_THAT(message_of({.name = "lambada_openai",
                           .data = (dir.path / "rows.jsonl").string(),
                           .num_fewshot = 2}),
               Catch::Contains("lambada_openai takes no shots"));
  }
  SECTION("another task's protocol") {
    write(dir.path / "rows.jsonl", "{}");
    CHECK_THAT(message_of({.name = "piqa",
                           .data = (dir.path / "rows.jsonl").string(),
                           .protocol = Protocol::hendrycks}),
               Catch::Contains("is for MMLU alone"));
  }
}

TEST_CASE("the names of a data set's files say what they hold") {
  const TempDir dir;
  for (const char* name :
       {"ARC-Easy/test-00000-of-00001.parquet", "data/train-0.jsonl", "validation.csv",
        "val/law.csv", "law_dev.csv", "README.md", "deep/deeper/deepest/test.jsonl"})
    write(dir.path / name, "x");
  std::vector<std::string> found;
  for (const SplitFile& file : find_split_files(dir.path.string()))
    found.push_back(file.config + ":" + file.split);
  CHECK(found ==
        std::vector<std::string>{"ARC-Easy:test", "law:dev", "law:validation", ":validation"});
}

TEST_CASE("questions are what lm-evaluation-harness asks") {
  const TempDir dir;
  const auto first = [&](const std::string& task, const std::string& row) {
    write(dir.path / "rows.jsonl", row);
    return load_tasks(
               {.name = task, .data = (dir.path / "rows.jsonl").string(), .num_fewshot = 0})[0]
        .docs[0];
  };
  const Doc wino = first(
      "winogrande",
      R"({"sentence": "The cat saw a dog, so _ ran. ", "option1": "it", "option2": "the dog", "answer": "2"})");
  CHECK(wino.contexts ==
        std::vector<std::string>{"The cat saw a dog, so it", "The cat saw a dog, so the dog"});
  CHECK(wino.choices == std::vector<std::string>{"ran.", "ran."});
  CHECK(wino.right[0] == 1);
  const Doc hella = first(
      "hellaswag",
      R"({"activity_label": "Tea", "ctx_a": "[header] Boil [title] water.", "ctx_b": "the Cup [x]", "endings": ["Pour  it [step]", "no"], "label": "1"})");
  CHECK(hella.context() == "Tea: Boil. water. The cup ");
  CHECK(hella.choices == std::vector<std::string>{"Pour it ", "no"});
  const Doc lambada = first("lambada_openai", R"({"text": "all the words  but one"})");
  CHECK(lambada.context() == "all the words  but");
  CHECK(lambada.choices[0] == "one");
  const Doc arc = first(
      "arc_challenge",
      R"({"question": "?", "choices": {"text": ["x", "y", "z"], "label": ["1", "2", "3"]}, "answerKey": "3"})");
  CHECK(arc.context() == "Question: ?\nAnswer:");
  CHECK(arc.right[0] == 2);
}
