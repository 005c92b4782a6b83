#include "trainer/evaluate/changes.h"

#include "models/formats/error.h"
#include "trainer/evaluate/task_scores.h"

namespace tptt {

std::vector<ScoreChange> score_changes(const std::vector<Sample>& first,
                                       const std::vector<Sample>& second) {
  using Name = std::pair<std::string, std::string>;
  const SamplesByQuestion others = by_question(second);
  std::map<Name, std::pair<std::vector<double>, std::vector<double>>> by_task, together;
  for (const Sample& a : first) {
    const auto found = others.find({a.task, a.doc_id});
    if (found == others.end()) continue;
    const Sample& b = *found->second;
    if (b.target != a.target)
      throw Error("question " + std::to_string(a.doc_id) + " of " + a.task +
                  " has another right answer in the second result; were the same data scored?");
    for (const auto& [score, value] : a.scores) {
      const auto other = b.scores.find(score);
      if (other == b.scores.end()) continue;
      // A perplexity's samples are log-likelihoods, and their mean is compared.
      const std::string name = score == kPerplexity ? "log_likelihood,none" : score;
      for (auto* both : {&by_task[{a.task, name}], &together[{"all", name}]}) {
        both->first.push_back(value);
        both->second.push_back(other->second);
      }
    }
  }
  std::vector<ScoreChange> changes;
  std::map<std::string, int> num_tasks;  // that have a score
  const auto add = [&](const auto& pairs) {
    for (const auto& [name, both] : pairs)
      changes.push_back({name.first, name.second, paired_difference(both.first, both.second)});
  };
  for (const auto& [name, both] : by_task) ++num_tasks[name.second];
  // What one task has is not said again as all tasks'.
  std::erase_if(together, [&](const auto& pair) { return num_tasks[pair.first.second] < 2; });
  add(by_task);
  add(together);
  return changes;
}

Json to_json(const ScoreChange& change) {
  const PairedDifference& d = change.paired;
  return {{"task", change.task},
          {"score", change.score},
          {"questions", d.num},
          {"first", d.first},
          {"second", d.second},
          {"difference", d.difference},
          {"standard_error", d.standard_error},
          {"only_first", d.only_first},
          {"only_second", d.only_second},
          {"mcnemar_p", d.p_value}};
}

}  // namespace tptt
