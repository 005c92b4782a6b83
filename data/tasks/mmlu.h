#pragma once

#include <string>
#include <vector>

#include "data/tasks/task.h"

namespace tptt {

/// A subject of MMLU and the group that lm-evaluation-harness counts it to.
struct MmluSubject {
  const char* name;   // "virology"
  const char* group;  // "stem", "humanities", "social_sciences", "other"
};

/// All 57, in alphabetical order.
const std::vector<MmluSubject>& mmlu_subjects();

/// The task and group of all subjects.
inline constexpr const char* kMmlu = "mmlu";

/// "mmlu_virology" of a subject, "mmlu_stem" of a group.
std::string mmlu_task(const std::string& name);

/// The subjects that "mmlu", "mmlu_stem" or "mmlu_virology" names; none for another name.
std::vector<std::string> mmlu_subjects_of(const std::string& name);

/// What stands before the shots: "The following are ..." about the subject.
std::string mmlu_description(const std::string& subject, Protocol protocol);

/// Rows {question, A, B, C, D, answer letter} of the original CSV files as {question, choices,
/// answer}. Throws Error for another number of fields.
Json mmlu_row(const std::vector<std::string>& fields, const std::string& where);

}  // namespace tptt
