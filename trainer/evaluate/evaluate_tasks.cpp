#include "trainer/evaluate/evaluate_tasks.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "trainer/evaluate/run_task.h"
#include "trainer/progress.h"

namespace tptt {

std::vector<Sample> evaluate_tasks(const CausalLM& model, const Tokenizer& tokenizer,
                                   const std::vector<Task>& tasks, const ScoringOptions& options,
                                   SamplesFile* file, const std::function<void()>& after_each) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  std::vector<Sample> samples;
  if (file) samples = file->kept();
  const int64_t kept = int64_t(samples.size());
  int64_t total = 0, scored = 0;
  for (const Task& task : tasks) total += int64_t(task.docs.size());
  for (const Task& task : tasks) {
    std::set<int64_t> done;
    for (const Sample& sample : samples)
      if (sample.task == task.name) done.insert(sample.doc_id);
    double eta = 0;
    run_task(model, tokenizer, task, options, done, [&](const Sample& sample) {
      if (file) file->add(sample);
      samples.push_back(sample);
      const std::chrono::duration<double> seconds = Clock::now() - start;
      ++scored;
      eta = seconds.count() / double(scored) * double(total - kept - scored);
      show_count("questions", kept + scored, total, eta);
      if (after_each) after_each();
    });
    if (tasks.size() > 1 && ::isatty(STDERR_FILENO) != 1)
      std::fprintf(stderr, "%s: %lld/%lld questions, eta %s\n", task.name.c_str(),
                   static_cast<long long>(kept + scored), static_cast<long long>(total),
                   clock_text(eta).c_str());
  }
  return samples;
}

}  // namespace tptt
