#include <cstdio>
#include <filesystem>
#include <iostream>

#include "models/formats/error.h"
#include "models/formats/json.h"
#include "trainer/commands.h"
#include "trainer/evaluate/changes.h"
#include "trainer/evaluate/samples.h"
#include "trainer/log.h"

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

void report_missing(const std::string& path, int64_t count, const std::string& other) {
  if (count > 0)
    log_warning(std::to_string(count) + " questions of " + path + " are not in " + other +
                ": left out");
}

}  // namespace

void run_compare(const CompareFlags& flags) {
  const auto first = samples_of(flags.first), second = samples_of(flags.second);
  const auto changes = score_changes(first, second);
  if (changes.empty())
    throw Error(flags.first + " and " + flags.second +
                " have no question with a score of the same name in common");
  report_missing(flags.first, num_missing(first, second), flags.second);
  report_missing(flags.second, num_missing(second, first), flags.first);
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
