#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/formats/json.h"
#include "trainer/evaluate/paired.h"
#include "trainer/evaluate/samples.h"

namespace tptt {

/// How one score of a task differs between two evaluations, over the questions that both have.
struct ScoreChange {
  std::string task;   // "all": of several tasks together
  std::string score;  // "acc,none"
  PairedDifference paired;
};

/// By task and score. Throws Error where a number is another question in the second.
std::vector<ScoreChange> score_changes(const std::vector<Sample>& first,
                                       const std::vector<Sample>& second);

/// How many questions of the first the second lacks.
int64_t num_missing(const std::vector<Sample>& first, const std::vector<Sample>& second);

/// Questions that came out differently, as both answered: another choice or text, or another score
/// where that is right or wrong.
Json changed_questions(const std::vector<Sample>& first, const std::vector<Sample>& second);

Json to_json(const ScoreChange& change);

}  // namespace tptt
