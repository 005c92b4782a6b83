#include <filesystem>
#include <fstream>
#include <sstream>

#include "models/formats/json.h"
#include "tests/catch.h"
#include "tests/temp_dir.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/evaluate/samples.h"

using namespace tptt;
namespace fs = std::filesystem;

namespace {

const std::string kData = std::string(TPTT_SOURCE_DIR) + "/tests/golden/benchmarks";

std::vector<Json> lines_of(const fs::path& path) {
  std::ifstream file(path);
  std::vector<Json> lines;
  for (std::string line; std::getline(file, line);)
    lines.push_back(parse_json(line, path.string()));
  return lines;
}

struct Evaluation {
  TempDir dir;
  std::string eval;
  Evaluation() {
    write_tiny_model(dir.path);
    eval = "eval " + (dir.path / "model").string() + " ";
  }
  std::string at(const char* name) const { return (dir.path / name).string(); }
  Outcome run(const std::string& arguments) const { return run_tptt(eval + arguments); }
};

}  // namespace

TEST_CASE("MMLU by every protocol leaves a line a question and a result") {
  const Evaluation e;
  const std::string protocol = GENERATE("lm-eval", "hendrycks", "lighteval");
  const std::string shots = GENERATE("0", "3");
  INFO(protocol << " " << shots << " shots");
  const std::string mmlu =
      "--data " + kData + "/mmlu --protocol " + protocol + " --num-fewshot " + shots + " --output ";
  const Outcome done = e.run("--task mmlu_virology,mmlu_abstract_algebra " + mmlu + e.at("a.json"));
  INFO(done.text);
  REQUIRE(done.code == 0);
  const auto samples = lines_of(e.at("a.samples.jsonl"));
  REQUIRE(samples.size() == 20);
  const Json result = read_json_file(e.at("a.json"));
  const Json& virology = result["results"]["mmlu_virology"];
  const std::string key = protocol == "lm-eval"     ? "acc,none"
                          : protocol == "hendrycks" ? "acc,letter_alone"
                                                    : "pqem,none";
  double sum = 0;
  for (const Json& sample : samples)
    if (sample["task"] == "mmlu_virology") sum += sample["scores"][key].get<double>();
  CHECK(virology[key].get<double>() == Approx(sum / 10));
  CHECK(result["n-shot"]["mmlu_virology"] == std::stoi(shots));
  CHECK(result["n-samples"]["mmlu_virology"]["effective"] == 10);
  CHECK(done.text.find(key) != std::string::npos);
}

TEST_CASE("an interrupted evaluation goes on where it was") {
  const Evaluation e;
  const std::string what =
      "--task mmlu_virology --num-fewshot 2 --data " + kData + "/mmlu --output ";
  REQUIRE(e.run(what + e.at("whole.json")).code == 0);
  REQUIRE(e.run(what + e.at("part.json")).code == 0);
  // As a crash would have left it: three lines and a half, no result.
  fs::remove(e.at("part.json"));
  const auto whole = lines_of(e.at("part.samples.jsonl"));
  std::ofstream(e.at("part.samples.jsonl")) << whole[0].dump() << "\n"
                                            << whole[1].dump() << "\n"
                                            << whole[2].dump() << "\n"
                                            << whole[3].dump().substr(0, 30);
  CHECK(e.run(what + e.at("part.json")).code == 1);
  REQUIRE(e.run(what + e.at("part.json") + " --resume").code == 0);
  CHECK(lines_of(e.at("part.samples.jsonl")).size() == 10);
  CHECK(read_json_file(e.at("part.json"))["results"] ==
        read_json_file(e.at("whole.json"))["results"]);
  const Outcome other = e.run("--branch softmax " + what + e.at("part.json") + " --resume");
  CHECK(other.code == 1);
  CHECK_THAT(other.text, Catch::Contains("part.samples.jsonl:1: was scored with another"));
  std::ofstream(e.at("model/README.md")) << "Mine.";
  CHECK(e.run(what + e.at("part.json") + " --resume").code == 0);
  const Outcome fewer = e.run(what + e.at("part.json") + " --resume --limit 5");
  CHECK_THAT(fewer.text, Catch::Contains("was scored with another"));
  Json line = whole[0];
  line["doc_id"] = 99;
  std::ofstream(e.at("part.samples.jsonl")) << line.dump() << "\n";
  CHECK_THAT(e.run(what + e.at("part.json") + " --resume").text,
             Catch::Contains("samples have question 99 of mmlu_virology, which is not asked"));
}

TEST_CASE("all kinds of tasks are scored") {
  const Evaluation e;
  const Outcome done = e.run(
      "--task arc_easy,openbookqa,piqa,winogrande,hellaswag,truthfulqa_mc1,truthfulqa_mc2,"
      "lambada_openai,gsm8k --num-fewshot 0 --output " +
      e.at("all.json") + " --data arc_easy=" + kData + "/eval/arc_easy.jsonl" +
      " --data openbookqa=" + kData + "/eval/openbookqa.jsonl" + " --data piqa=" + kData +
      "/eval/piqa.jsonl" + " --data winogrande=" + kData + "/eval/winogrande.jsonl" +
      " --data hellaswag=" + kData + "/eval/hellaswag.jsonl" + " --data truthfulqa_mc1=" + kData +
      "/eval/truthfulqa.jsonl" + " --data truthfulqa_mc2=" + kData + "/eval/truthfulqa.jsonl" +
      " --data lambada_openai=" + kData + "/eval/lambada.jsonl" + " --data gsm8k=" + kData +
      "/eval/gsm8k.jsonl");
  INFO(done.text);
  REQUIRE(done.code == 0);
  const Json results = read_json_file(e.at("all.json"))["results"];
  for (const char* task : {"arc_easy", "openbookqa", "piqa", "hellaswag"})
    CHECK(results[task].contains("acc_norm,none"));
  CHECK(results["lambada_openai"]["perplexity,none"].get<double>() > 1);
  CHECK(results["gsm8k"].contains("exact_match,strict-match"));
  const double mass = results["truthfulqa_mc2"]["acc,none"];
  CHECK(mass > 0);
  CHECK(mass < 1);
}

TEST_CASE("questions of one's own are chosen or written") {
  const Evaluation e;
  std::ofstream(e.at("choice.jsonl"))
      << R"({"question": "Is it?", "choices": ["yes", "no"], "answer": "A"})"
      << "\n";
  std::ofstream(e.at("match.jsonl")) << R"({"question": "Two and two is", "answer": "four"})"
                                     << "\n";
  const Outcome done =
      e.run("--task custom_choice,custom_match --data custom_choice=" + e.at("choice.jsonl") +
            " --data custom_match=" + e.at("match.jsonl") + " --output " + e.at("own.json"));
  INFO(done.text);
  REQUIRE(done.code == 0);
  const Json results = read_json_file(e.at("own.json"))["results"];
  CHECK(results["custom_choice"].contains("acc,none"));
  CHECK(results["custom_match"].contains("exact_match,none"));
  const auto samples = lines_of(e.at("own.samples.jsonl"));
  REQUIRE(samples.size() == 2);
  const bool chosen_first = samples[0]["task"] == "custom_choice";
  const std::string response = samples[chosen_first ? 1 : 0]["response"];
  CHECK_FALSE(response.empty());
  CHECK(response.find('\n') == std::string::npos);
}

TEST_CASE("two evaluations are compared question by question") {
  const Evaluation e;
  const std::string data = " --data " + kData + "/mmlu --output ";
  REQUIRE(e.run("--task mmlu_virology" + data + e.at("a.json")).code == 0);
  REQUIRE(e.run("--task mmlu_virology --num-fewshot 3" + data + e.at("b.json")).code == 0);
  double difference = 0;
  std::map<int64_t, double> first;
  std::map<int64_t, int64_t> answers;
  for (const Sample& sample : read_samples(e.at("a.samples.jsonl"))) {
    first[sample.doc_id] = sample.scores.at("acc,none");
    answers[sample.doc_id] = sample.prediction;
  }
  int64_t changed = 0;
  for (const Sample& sample : read_samples(e.at("b.samples.jsonl"))) {
    difference += (sample.scores.at("acc,none") - first[sample.doc_id]) / 10;
    changed += sample.prediction != answers[sample.doc_id];
  }
  const Outcome done =
      run_tptt("compare " + e.at("a.json") + " " + e.at("b.json") + " --questions --json");
  INFO(done.text);
  REQUIRE(done.code == 0);
  const Json result = parse_json(done.text, "compare");
  CHECK(result["scores"][0]["difference"].get<double>() == Approx(difference));
  CHECK(int64_t(result["questions"].size()) == changed);
  CHECK(run_tptt("compare " + e.at("a.json") + " " + e.at("nothing.json")).code == 1);
}

TEST_CASE("data that is not there or not asked for is refused by name") {
  const Evaluation e;
  const std::string ask = "--task mmlu_virology,piqa --data ", mmlu = kData + "/mmlu";
  const auto refused = [&](const std::string& data) {
    const Outcome done = e.run(ask + data);
    CHECK(done.code != 0);
    return done.text;
  };
  CHECK_THAT(refused("/nowhere"), Catch::Contains("/nowhere: no such file or directory (--data)"));
  CHECK_THAT(refused(mmlu + " --data pica=" + mmlu), Catch::Contains("pica is not asked"));
  CHECK_THAT(refused(mmlu + " --data " + kData), Catch::Contains("the second for all tasks"));
  CHECK_THAT(refused("piqa=" + mmlu), Catch::Contains("--data: nothing for mmlu_virology"));
}

TEST_CASE("what would do nothing or fail at the end is refused first") {
  const Evaluation e;
  const auto refused = [&](const std::string& flags) {
    const Outcome done = e.run("--task mmlu_virology --limit 2 --data " + kData + "/mmlu " + flags);
    CHECK(done.code == 2);
    return done.text;
  };
  CHECK_THAT(refused("--stride 5"), Catch::Contains("--stride is for --task perplexity"));
  CHECK_THAT(refused("--chat-template chatml"), Catch::Contains("--chat-template is for"));
  CHECK_THAT(refused("--resume"), Catch::Contains("--resume goes on with a file"));
  CHECK_THAT(refused("--output " + e.at("no/a.json")), Catch::Contains("directory is not there"));
  CHECK_THAT(refused("--output " + e.dir.path.string()), Catch::Contains("is a directory"));
  CHECK_THAT(refused("--output " + e.at("a.json") + " --log-samples " + e.at("a.json")),
             Catch::Contains("is --output itself"));
  CHECK_THAT(e.run("--task perplexty --stride 5 --data " + kData).text,
             Catch::Contains("task 'perplexty': expected mmlu") &&
                 Catch::Contains("or alone: sample, perplexity"));
}

TEST_CASE("results find their samples in another folder, and are not overwritten") {
  const Evaluation e;
  fs::create_directories(e.at("logs"));
  const std::string ask = "--task mmlu_virology --limit 2 --data " + kData + "/mmlu --output ";
  const auto run = [&](const char* name) {
    return e.run(ask + e.at(name) + ".json --log-samples " + e.at("logs/") + name + ".jsonl");
  };
  REQUIRE(run("a").code == 0);
  REQUIRE(run("b").code == 0);
  const Outcome compared = run_tptt("compare " + e.at("a.json") + " " + e.at("b.json"));
  INFO(compared.text);
  CHECK(compared.code == 0);
  CHECK_THAT(run("a").text, Catch::Contains("exists already"));
}

TEST_CASE("prompts longer than the model are cut, and counted") {
  const Evaluation e;
  Json config = read_json_file(e.at("model/config.json"));
  config["max_position_embeddings"] = 64;
  std::ofstream(e.at("model/config.json")) << config.dump();
  const Outcome done = e.run("--task mmlu_virology --num-fewshot 5 --data " + kData +
                             "/mmlu --output " + e.at("a.json"));
  INFO(done.text);
  REQUIRE(done.code == 0);
  CHECK_THAT(done.text, Catch::Contains("10 prompts were longer than the model reads"));
  CHECK(read_json_file(e.at("a.json"))["n-samples"]["mmlu_virology"]["truncated"] == 10);
}
