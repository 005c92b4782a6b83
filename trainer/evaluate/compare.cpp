#include <cstdio>
#include <filesystem>
#include <iostream>

#include "models/formats/error.h"
#include "models/formats/json.h"
#include "trainer/commands.h"
#include "trainer/evaluate/changes.h"
#include "trainer/evaluate/samples.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

std::vector<Sample> samples_of(const std::string& path) {
  const Json results = read_json_file(path);
  if (!results.is_object() || !results.contains("samples_file"))
    throw Error(path + ": names no \"samples_file\"; expected what `tptt eval --output` wrote");
  return read_samples(fs::path(path).parent_path() / json_string(results, "samples_file", path));
}

void print_row(const ScoreChange& change) {
  const PairedDifference& d = change.paired;
  std::printf("%-40s %-24s %6ld %9.4f %9.4f %+9.4f [%+.4f, %+.4f] %5ld %5ld  %.3g\n",
              change.task.c_str(), change.score.c_str(), long(d.num), d.first, d.second,
              d.difference, d.difference - 1.96 * d.standard_error,
              d.difference + 1.96 * d.standard_error, long(d.only_first), long(d.only_second),
              d.p_value);
}

// What one evaluation scored otherwise than the other, as both answered.
Json changed_questions(const std::vector<Sample>& first, const std::vector<Sample>& second) {
  const SamplesByQuestion others = by_question(second);
  const auto answer = [](const Sample& sample) {
    return sample.prediction < 0 ? Json(sample.response) : Json(sample.prediction);
  };
  Json changed = Json::array();
  for (const Sample& a : first) {
    const auto found = others.find({a.task, a.doc_id});
    if (found == others.end() || answer(a) == answer(*found->second)) continue;
    changed.push_back({{"task", a.task},
                       {"doc_id", a.doc_id},
                       {"target", a.target},
                       {"first", answer(a)},
                       {"second", answer(*found->second)}});
  }
  return changed;
}

}  // namespace

void run_compare(const CompareFlags& flags) {
  const auto first = samples_of(flags.first), second = samples_of(flags.second);
  const auto changes = score_changes(first, second);
  if (changes.empty())
    throw Error(flags.first + " and " + flags.second + " have no question in common");
  const Json questions = flags.questions ? changed_questions(first, second) : Json::array();
  if (flags.json) {
    Json result = {{"first", flags.first}, {"second", flags.second}, {"scores", Json::array()}};
    for (const ScoreChange& change : changes) result["scores"].push_back(to_json(change));
    if (flags.questions) result["questions"] = questions;
    std::cout << result.dump() << "\n";
    return;
  }
  std::printf("%-40s %-24s %6s %9s %9s %9s %-18s %5s %5s  %s\n", "task", "score", "n", "first",
              "second", "change", "95% interval", "only1", "only2", "p");
  for (const ScoreChange& change : changes) print_row(change);
  for (const Json& row : questions) std::cout << row.dump() << "\n";
}

}  // namespace tptt
