#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/formats/json.h"

namespace tptt {

/// One question.
struct Doc {
  std::string where;                  // "file.csv:12"
  std::vector<std::string> contexts;  // what is read: one for all choices or one for each
  std::vector<std::string> choices;   // what may follow, without the blank before it
  std::vector<int64_t> right;         // the right choices
  std::string right_text = {};        // of the right choice where `choices` are letters
  const std::string& context() const { return contexts[0]; }
  const std::string& answer() const { return choices[size_t(right[0])]; }
};

/// The rules by which MMLU is asked and scored (docs/evaluation.md).
enum class Protocol { lm_eval, hendrycks, lighteval };

/// "lm-eval", "hendrycks", "lighteval", in this order.
std::vector<std::string> protocol_names();
/// Throws UsageError that lists the names.
Protocol parse_protocol(const std::string& name);

/// Which shots come before a question, as lm-evaluation-harness chooses them.
enum class Shots {
  first,   // those the file begins with
  drawn,   // by random.Random(1234)
  others,  // drawn with one to spare, lest the question be among them
};

/// A family of tasks: one line in task_table.cpp and a file that reads its rows.
struct TaskKind {
  const char* name;                  // lm-evaluation-harness'
  double version;                    // of its definition there; of custom tasks our own
  std::vector<std::string> metrics;  // of written answers their filters: task_scores.cpp
  const char* hub_config;            // folder or config name in the Hub's repository; "": none
  std::vector<std::string> splits;   // of the questions, the first that is there
  std::vector<std::string> shot_splits;
  Shots shots;
  int64_t num_fewshot;  // where nothing is said
  /// One row of a file, in the data set's own columns or as {question, choices, answer}.
  Doc (*read)(const Json& row, const std::string& where, Protocol protocol);
  int64_t new_tokens = 0;               // of a written answer; 0: one is chosen
  std::vector<std::string> stops = {};  // texts before which it ends
};

/// All of them.
const std::vector<TaskKind>& task_kinds();

/// One list of questions that is scored as one: a subject of MMLU, or all of another kind.
struct Task {
  std::string name;  // "mmlu_virology"
  const TaskKind* kind = nullptr;
  Protocol protocol = Protocol::lm_eval;
  int64_t num_fewshot = 0;
  std::string description;  // before the shots
  std::vector<Doc> docs;
  std::vector<Doc> shots;  // to choose from
};

struct TaskRequest {
  std::string name;                         // a task, or a group of MMLU's
  std::string data;                         // file or directory
  std::string shots_data = {};              // file of the shots; empty: the directory's own
  std::optional<int64_t> num_fewshot = {};  // none: the kind's
  int64_t limit = 0;                        // first questions of each task; 0: all
  Protocol protocol = Protocol::lm_eval;
};

/// The task, or all tasks of the group, with their questions. Throws UsageError for a name that
/// is none, and Error that names file and row.
std::vector<Task> load_tasks(const TaskRequest& request);
/// The tasks of all requests. Throws UsageError also for a task that two of them name.
std::vector<Task> load_tasks(const std::vector<TaskRequest>& requests);

/// The kind that a task's or group's name belongs to. Throws UsageError that lists the names.
const TaskKind& find_task_kind(const std::string& name);

}  // namespace tptt
