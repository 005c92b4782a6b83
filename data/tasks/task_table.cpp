#include "data/tasks/task.h"
#include "data/tasks/task_rows.h"
#include "models/formats/error.h"

namespace tptt {

const std::vector<TaskKind>& task_kinds() {
  using enum OutputType;
  static const std::vector<std::string> acc{"acc"}, both{"acc", "acc_norm"};
  static const std::vector<TaskKind> kinds = {
      {"mmlu", multiple_choice, acc, "", {"test"}, {"dev"}, 0, read_mmlu},
      {"arc_easy", multiple_choice, both, "ARC-Easy", {"test"}, {"train"}, 0, read_arc},
      {"arc_challenge", multiple_choice, both, "ARC-Challenge", {"test"}, {"train"}, 0, read_arc},
      {"openbookqa", multiple_choice, both, "main", {"test"}, {"train"}, 0, read_openbookqa},
      {"piqa", multiple_choice, both, "", {"validation"}, {"train"}, 0, read_piqa},
      {"winogrande",
       multiple_choice,
       acc,
       "winogrande_xl",
       {"validation"},
       {"train"},
       0,
       read_winogrande},
      {"hellaswag", multiple_choice, both, "", {"validation"}, {"train"}, 0, read_hellaswag},
      {"truthfulqa_mc1",
       multiple_choice,
       acc,
       "multiple_choice",
       {"validation"},
       {},
       0,
       read_truthfulqa_mc1},
      {"truthfulqa_mc2",
       multiple_choice,
       {"mass"},
       "multiple_choice",
       {"validation"},
       {},
       0,
       read_truthfulqa_mc2},
      {"lambada_openai",
       loglikelihood,
       {"perplexity", "acc"},
       "default",
       {"test"},
       {},
       0,
       read_lambada},
      {"gsm8k", generate_until, {"exact_match"}, "main", {"test"}, {"train"}, 5, read_gsm8k},
      {"custom_choice",
       multiple_choice,
       both,
       "",
       {"test"},
       {"train", "dev"},
       0,
       read_custom_choice},
      {"custom_match",
       generate_until,
       {"exact_match"},
       "",
       {"test"},
       {"train", "dev"},
       0,
       read_custom_match},
  };
  return kinds;
}

}  // namespace tptt
