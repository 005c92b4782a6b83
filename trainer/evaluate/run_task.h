#pragma once

#include <functional>
#include <set>

#include "data/tasks/task.h"
#include "data/tokenizer.h"
#include "models/causal_lm.h"
#include "trainer/evaluate/requests.h"
#include "trainer/evaluate/samples.h"

namespace tptt {

/// 16 hexadecimal digits of a question, its choices and which of them are right.
std::string doc_hash(const Doc& doc);

/// Asks a task's questions but those whose numbers are in `done`. `on_sample` hears of each as soon
/// as it is scored, in any order. Throws Error.
void run_task(const CausalLM& model, const Tokenizer& tokenizer, const Task& task,
              const ScoringOptions& options, const std::set<int64_t>& done,
              const std::function<void(const Sample&)>& on_sample);

}  // namespace tptt
