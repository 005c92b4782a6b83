#include "trainer/evaluate/changes.h"

#include <algorithm>

#include "models/formats/error.h"
#include "trainer/evaluate/task_scores.h"

namespace tptt {
namespace {

Json answer(const Sample& sample) {
  return sample.prediction < 0 ? Json(sample.response) : Json(sample.prediction);
}

bool is_right_or_wrong(double score) {
  return score == 0 || score == 1;
}

// Scores of both that are right or wrong, and not the same.
Json changed_scores(const Sample& a, const Sample& b) {
  Json changed = Json::object();
  for (const auto& [name, score] : a.scores) {
    const auto other = b.scores.find(name);
    if (other == b.scores.end() || score == other->second) continue;
    if (is_right_or_wrong(score) && is_right_or_wrong(other->second))
      changed[name] = {score, other->second};
  }
  return changed;
}

}  // namespace

std::vector<ScoreChange> score_changes(const std::vector<Sample>& first,
                                       const std::vector<Sample>& second) {
  using Name = std::pair<std::string, std::string>;
  const SamplesByQuestion others = by_question(second);
  std::map<Name, std::pair<std::vector<double>, std::vector<double>>> by_task, together;
  for (const Sample& a : first) {
    const auto found = others.find({a.task, a.doc_id});
    if (found == others.end()) continue;
    const Sample& b = *found->second;
    if (b.doc_hash != a.doc_hash)
      throw Error("question " + std::to_string(a.doc_id) + " of " + a.task +
                  " is another in the second result; were the same data scored by the same "
                  "protocol?");
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

int64_t num_missing(const std::vector<Sample>& first, const std::vector<Sample>& second) {
  const SamplesByQuestion others = by_question(second);
  return std::count_if(first.begin(), first.end(), [&](const Sample& sample) {
    return !others.contains({sample.task, sample.doc_id});
  });
}

Json changed_questions(const std::vector<Sample>& first, const std::vector<Sample>& second) {
  const SamplesByQuestion others = by_question(second);
  Json changed = Json::array();
  for (const Sample& a : first) {
    const auto found = others.find({a.task, a.doc_id});
    if (found == others.end()) continue;
    const Sample& b = *found->second;
    Json scores = changed_scores(a, b);
    if (answer(a) == answer(b) && scores.empty()) continue;
    changed.push_back({{"task", a.task},
                       {"doc_id", a.doc_id},
                       {"target", a.target},
                       {"first", answer(a)},
                       {"second", answer(b)},
                       {"scores", std::move(scores)}});
  }
  return changed;
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
