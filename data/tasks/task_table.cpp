#include "data/tasks/task.h"
#include "data/tasks/task_rows.h"
#include "models/formats/error.h"

namespace tptt {

const std::vector<TaskKind>& task_kinds() {
  static const std::vector<std::string> acc{"acc"}, both{"acc", "acc_norm"};
  static const std::vector<TaskKind> kinds = {
      {"mmlu", acc, "", {"test"}, {"dev"}, 0, read_mmlu},
      {"arc_easy", both, "ARC-Easy", {"test"}, {"train"}, 0, read_arc},
      {"arc_challenge", both, "ARC-Challenge", {"test"}, {"train"}, 0, read_arc},
      {"openbookqa", both, "main", {"test"}, {"train"}, 0, read_openbookqa},
      {"piqa", both, "", {"validation"}, {"train"}, 0, read_piqa},
      {"winogrande", acc, "winogrande_xl", {"validation"}, {"train"}, 0, read_winogrande},
      {"hellaswag", both, "", {"validation"}, {"train"}, 0, read_hellaswag},
      {"truthfulqa_mc1", acc, "multiple_choice", {"validation"}, {}, 0, read_truthfulqa_mc1},
      {"truthfulqa_mc2", {"mass"}, "multiple_choice", {"validation"}, {}, 0, read_truthfulqa_mc2},
      {"lambada_openai", {"perplexity", "acc"}, "default", {"test"}, {}, 0, read_lambada},
      {"gsm8k",
       {"strict-match", "flexible-extract"},
       "main",
       {"test"},
       {"train"},
       5,
       read_gsm8k,
       256,
       {"Question:", "</s>", "<|im_end|>"}},
      {"custom_choice", both, "", {"test"}, {"train", "dev"}, 0, read_custom_choice},
      {"custom_match", {"none"}, "", {"test"}, {"train", "dev"}, 0, read_custom_match, 64, {"\n"}},
  };
  return kinds;
}

}  // namespace tptt
