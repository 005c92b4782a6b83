#pragma once

#include "data/tasks/task.h"

namespace tptt {

// How rows of the kinds in task_table.cpp become questions; each is a TaskKind::read.

Doc read_arc(const Json& row, const std::string& where, Protocol protocol);
Doc read_gsm8k(const Json& row, const std::string& where, Protocol protocol);
Doc read_hellaswag(const Json& row, const std::string& where, Protocol protocol);
Doc read_lambada(const Json& row, const std::string& where, Protocol protocol);
Doc read_mmlu(const Json& row, const std::string& where, Protocol protocol);
Doc read_openbookqa(const Json& row, const std::string& where, Protocol protocol);
Doc read_piqa(const Json& row, const std::string& where, Protocol protocol);
Doc read_truthfulqa_mc1(const Json& row, const std::string& where, Protocol protocol);
Doc read_truthfulqa_mc2(const Json& row, const std::string& where, Protocol protocol);
Doc read_winogrande(const Json& row, const std::string& where, Protocol protocol);
Doc read_custom_choice(const Json& row, const std::string& where, Protocol protocol);
Doc read_custom_match(const Json& row, const std::string& where, Protocol protocol);

/// "A" of 0.
std::string choice_letter(size_t i);

/// "A, B, C or D", for messages.
std::string one_of(const std::vector<std::string>& names);

/// Texts of a list. Throws Error for what is none, and for a list of fewer than `least`.
std::vector<std::string> json_texts(const Json& row, const std::string& key,
                                    const std::string& where, size_t least = 1);

/// Choices and the right one of {choices: [..] or {text: [..], label: [..]}, answer or answerKey}:
/// the answer is an index from 0, a label, or a letter from A.
void read_choices(const Json& row, const std::string& where, Doc& doc);

}  // namespace tptt
