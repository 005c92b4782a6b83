#include "trainer/evaluate/evaluate_tasks.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>

#include "data/sha256.h"
#include "models/formats/error.h"
#include "trainer/evaluate/run_task.h"
#include "trainer/progress.h"

namespace tptt {

// Changes with what a score means, so that older samples are not gone on with.
static constexpr const char* kScoring = "2";

static void add_docs(Sha256& hash, const std::vector<Doc>& docs) {
  hash.update_sized(std::to_string(docs.size()));
  for (const Doc& doc : docs) hash.update_sized(doc_hash(doc));
}

static size_t size_of(const Doc& doc) {
  size_t size = 0;
  for (const auto* texts : {&doc.contexts, &doc.choices})
    for (const std::string& text : *texts) size += text.size();
  return size;
}

// About how many bytes the longest prompt has.
static size_t longest_prompt(const Task& task) {
  size_t longest = 0, shots = 0;
  for (const Doc& doc : task.docs) longest = std::max(longest, size_of(doc));
  for (const Doc& doc : task.shots) shots += size_of(doc);
  if (task.shots.empty()) return longest;
  return longest + shots * size_t(task.num_fewshot) / task.shots.size();
}

// The longest prompts first, then the shortest, of which a forward takes most: between them they
// need the most memory, so that it peaks at once.
static std::vector<const Task*> by_memory(const std::vector<Task>& tasks) {
  std::multimap<size_t, const Task*, std::greater<>> by_length;
  for (const Task& task : tasks) by_length.emplace(longest_prompt(task), &task);
  std::vector<const Task*> ordered;
  for (const auto& [length, task] : by_length) ordered.push_back(task);
  if (ordered.size() > 2) std::rotate(ordered.begin() + 1, ordered.end() - 1, ordered.end());
  return ordered;
}

std::string evaluation_hash(const std::vector<Task>& tasks,
                            const std::vector<std::string>& settings) {
  Sha256 hash;
  hash.update_sized(kScoring);
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

// Questions of the task that are scored already or that other processes ask.
static std::set<int64_t> not_asked(const Task& task, const std::vector<Sample>& samples,
                                   const ProcessGroup& group) {
  std::set<int64_t> skipped;
  for (const Sample& sample : samples)
    if (sample.task == task.name) skipped.insert(sample.doc_id);
  for (int64_t id = 0; id < int64_t(task.docs.size()); ++id)
    if (!group.share().has(id)) skipped.insert(id);
  return skipped;
}

// Samples of the other processes; in each the same.
static std::vector<Sample> others(const std::vector<Sample>& own, const ProcessGroup& group) {
  std::vector<Sample> all;
  const auto texts = group.gather(to_text(own));
  for (int64_t rank = 0; rank < group.size(); ++rank)
    if (rank != group.rank())
      for (Sample& sample : samples_from_text(texts[size_t(rank)]))
        all.push_back(std::move(sample));
  return all;
}

// Questions and their bytes, since the longest are asked first: time goes by these.
struct Workload {
  int64_t questions = 0;
  double bytes = 0;

  void add(const Doc& doc) { ++questions, bytes += double(size_of(doc)); }
};

static Workload workload_of(const std::vector<Task>& tasks) {
  Workload all;
  for (const Task& task : tasks)
    for (const Doc& doc : task.docs) all.add(doc);
  return all;
}

static Workload workload_of(const std::vector<Task>& tasks, const std::vector<Sample>& samples) {
  std::map<std::string, const Task*> by_name;
  for (const Task& task : tasks) by_name[task.name] = &task;
  Workload scored;
  for (const Sample& sample : samples) {
    const auto task = by_name.find(sample.task);
    const auto id = size_t(sample.doc_id);
    if (task == by_name.end() || id >= task->second->docs.size())
      throw Error("samples have question " + std::to_string(sample.doc_id) + " of " + sample.task +
                  ", which is not asked: remove that line, or their file");
    scored.add(task->second->docs[id]);
  }
  return scored;
}

std::vector<Sample> evaluate_tasks(const CausalLM& model, const Tokenizer& tokenizer,
                                   const std::vector<Task>& tasks, const ScoringOptions& options,
                                   SamplesFile* file, const std::function<void()>& after_each,
                                   const ProcessGroup& group) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  std::vector<Sample> samples;
  if (file) samples = file->kept();
  if (group.size() > 1) samples = samples_from_text(group.broadcast(to_text(samples)));
  const Workload total = workload_of(tasks), kept = workload_of(tasks, samples);
  Workload scored = kept;
  samples.reserve(size_t(total.questions));
  for (const Task* next : by_memory(tasks)) {
    const Task& task = *next;
    const auto take = [&](const Sample& sample) {
      if (file) file->add(sample);
      samples.push_back(sample);
      scored.add(task.docs[size_t(sample.doc_id)]);
      const std::chrono::duration<double> seconds = Clock::now() - start;
      show_count("questions", scored.questions, total.questions,
                 seconds.count() / (scored.bytes - kept.bytes) * (total.bytes - scored.bytes));
    };
    const size_t before = samples.size();
    run_task(model, tokenizer, task, options, not_asked(task, samples, group),
             [&](const Sample& sample) {
               take(sample);
               if (after_each) after_each();
             });
    if (group.size() > 1)
      for (const Sample& sample : others({samples.begin() + int64_t(before), samples.end()}, group))
        take(sample);
  }
  return samples;
}

}  // namespace tptt
