#include "trainer/evaluate/evaluate_tasks.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>

#include "data/sha256.h"
#include "trainer/evaluate/run_task.h"
#include "trainer/progress.h"

namespace tptt {

static void add_docs(Sha256& hash, const std::vector<Doc>& docs) {
  hash.update_sized(std::to_string(docs.size()));
  for (const Doc& doc : docs) {
    for (const auto* texts : {&doc.contexts, &doc.choices})
      for (const std::string& text : *texts) hash.update_sized(text);
    for (const int64_t right : doc.right) hash.update_sized(std::to_string(right));
  }
}

// About how many bytes the longest prompt has.
static size_t longest_prompt(const Task& task) {
  const auto size_of = [](const Doc& doc) {
    size_t size = 0;
    for (const auto* texts : {&doc.contexts, &doc.choices})
      for (const std::string& text : *texts) size += text.size();
    return size;
  };
  size_t longest = 0, shots = 0;
  for (const Doc& doc : task.docs) longest = std::max(longest, size_of(doc));
  for (const Doc& doc : task.shots) shots += size_of(doc);
  if (task.shots.empty()) return longest;
  return longest + shots * size_t(task.num_fewshot) / task.shots.size();
}

// The longest prompts first, so that memory peaks at once.
static auto by_longest_prompt(const std::vector<Task>& tasks) {
  std::multimap<size_t, const Task*, std::greater<>> ordered;
  for (const Task& task : tasks) ordered.emplace(longest_prompt(task), &task);
  return ordered;
}

std::string evaluation_hash(const std::vector<Task>& tasks,
                            const std::vector<std::string>& settings) {
  Sha256 hash;
  for (const std::string& text : settings) hash.update_sized(text);
  for (const Task& task : tasks) {
    hash.update_sized(task.name);
    hash.update_sized(protocol_names()[size_t(task.protocol)]);
    hash.update_sized(std::to_string(task.num_fewshot));
    hash.update_sized(task.description);
    add_docs(hash, task.docs);
    add_docs(hash, task.shots);
  }
  return to_hex(hash.finish()).substr(0, 16);
}

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
  samples.reserve(size_t(total));
  for (const auto& [size, next] : by_longest_prompt(tasks)) {
    const Task& task = *next;
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
