#include <algorithm>

#include "data/tasks/mmlu.h"
#include "data/tasks/task.h"
#include "data/tasks/task_rows.h"
#include "models/formats/error.h"

namespace tptt {

const std::vector<TaskKind>& task_kinds() {
  using enum Shots;
  using Names = std::vector<std::string>;
  static const Names acc{"acc"}, both{"acc", "acc_norm"}, word{"perplexity", "acc"}, mass{"mass"};
  static const Names number{"strict-match", "flexible-extract"}, text{"none"};
  static const Names test{"test"}, valid{"validation"}, train{"train"}, dev{"dev"}, none;
  static const Names own_shots{"train", "dev"}, gsm8k_stops{"Question:", "</s>", "<|im_end|>"};
  static const std::vector<TaskKind> kinds = {
      {"mmlu", 1, acc, "", test, dev, first, 0, read_mmlu},
      {"arc_easy", 1, both, "ARC-Easy", test, train, drawn, 0, read_arc},
      {"arc_challenge", 1, both, "ARC-Challenge", test, train, drawn, 0, read_arc},
      {"openbookqa", 1, both, "main", test, train, drawn, 0, read_openbookqa},
      {"piqa", 1, both, "", valid, train, others, 0, read_piqa},
      {"winogrande", 1, acc, "winogrande_xl", valid, train, others, 0, read_winogrande},
      {"hellaswag", 1, both, "", valid, train, others, 0, read_hellaswag},
      {"truthfulqa_mc1", 2, acc, "multiple_choice", valid, none, others, 0, read_truthfulqa_mc1},
      {"truthfulqa_mc2", 3, mass, "multiple_choice", valid, none, others, 0, read_truthfulqa_mc2},
      {"lambada_openai", 1, word, "default", test, none, drawn, 0, read_lambada},
      {"gsm8k", 3, number, "main", test, train, drawn, 5, read_gsm8k, 256, gsm8k_stops},
      {"custom_choice", 1, both, "", test, own_shots, drawn, 0, read_custom_choice},
      {"custom_match", 1, text, "", test, own_shots, drawn, 0, read_custom_match, 64, {"\n"}},
  };
  return kinds;
}

std::vector<std::string> protocol_names() {
  return {"lm-eval", "hendrycks", "lighteval"};
}

Protocol parse_protocol(const std::string& name) {
  const auto names = protocol_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw UsageError("protocol '" + name + "': expected " + one_of(names));
  return Protocol(found - names.begin());
}

const TaskKind& find_task_kind(const std::string& name) {
  std::vector<std::string> names;
  for (const TaskKind& kind : task_kinds()) {
    if (name == kind.name || (kind.name == std::string(kMmlu) && !mmlu_subjects_of(name).empty()))
      return kind;
    names.emplace_back(kind.name);
  }
  throw UsageError("task '" + name + "': expected " + one_of(names) +
                   ", or a group or subject of MMLU (mmlu_stem, mmlu_virology)");
}

}  // namespace tptt
