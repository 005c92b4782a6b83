#include "trainer/evaluate/task_scores.h"

#include <algorithm>
#include <cmath>

#include "data/tasks/answers.h"
#include "data/utf8.h"

namespace tptt {
namespace {

int64_t best_of(const std::vector<double>& scores) {
  return std::max_element(scores.begin(), scores.end()) - scores.begin();
}

// Of the first choices, as many as the question has, and in what size they are compared.
int64_t predicted(const Doc& doc, const Likelihoods& likelihoods, size_t first, bool by_length) {
  std::vector<double> scores;
  for (size_t i = 0; i < doc.choices.size(); ++i) {
    const double length = by_length ? double(count_characters(doc.choices[i])) : 1;
    scores.push_back(likelihoods[first + i].log_likelihood / length);
  }
  return best_of(scores);
}

// The share of probability that the right choices have.
double right_mass(const Doc& doc, const Likelihoods& likelihoods) {
  double best = likelihoods[0].log_likelihood, all = 0, right = 0;  // best: against underflow
  for (const Likelihood& choice : likelihoods) best = std::max(best, choice.log_likelihood);
  for (const Likelihood& choice : likelihoods) all += std::exp(choice.log_likelihood - best);
  for (const int64_t i : doc.right) right += std::exp(likelihoods[size_t(i)].log_likelihood - best);
  return right / all;
}

double score_of(const std::string& metric, const Doc& doc, const Likelihoods& likelihoods) {
  if (metric == "perplexity") return likelihoods[0].log_likelihood;
  if (metric == "mass") return right_mass(doc, likelihoods);
  if (likelihoods.size() == 1) return likelihoods[0].greedy;
  return predicted(doc, likelihoods, 0, metric == "acc_norm") == doc.right[0];
}

// Whether what a filter takes from the response is the answer.
bool is_match(const std::string& filter, const std::string& answer, const std::string& response) {
  if (filter == "strict-match") return gsm8k_equal(answer, gsm8k_strict(response));
  if (filter == "flexible-extract") return gsm8k_equal(answer, gsm8k_flexible(response));
  return strip(response) == strip(answer);
}

}  // namespace

std::map<std::string, double> lighteval_scores(const std::string& letter,
                                               const std::string& written) {
  const ExactMatches m = exact_matches(" " + letter, written);
  return {{"em,none", double(m.em)},
          {"qem,none", double(m.qem)},
          {"pem,none", double(m.pem)},
          {"pqem,none", double(m.pqem)}};
}

void score_choices(const Task& task, const Doc& doc, const Likelihoods& likelihoods,
                   Sample& sample) {
  for (const Likelihood& choice : likelihoods)
    sample.log_likelihoods.push_back(choice.log_likelihood);
  sample.target = doc.right[0];
  sample.prediction = predicted(doc, likelihoods, 0, false);
  if (task.protocol == Protocol::hendrycks) {
    const int64_t bare = predicted(doc, likelihoods, doc.choices.size(), false);
    sample.scores = {{"acc,letter_after_blank", double(sample.prediction == sample.target)},
                     {"acc,letter_alone", double(bare == sample.target)}};
    return;
  }
  for (const std::string& metric : task.kind->metrics)
    sample.scores[(metric == "mass" ? "acc" : metric) + ",none"] =
        score_of(metric, doc, likelihoods);
}

void score_response(const Task& task, const Doc& doc, const std::string& response, Sample& sample) {
  sample.response = response;
  if (task.protocol == Protocol::lighteval) {
    sample.target = doc.right[0];
    sample.scores = lighteval_scores(doc.answer(), response);
    return;
  }
  for (const std::string& filter : task.kind->metrics)
    sample.scores["exact_match," + filter] = is_match(filter, doc.answer(), response);
}

const Metric* find_metric(const TaskResult& task, const std::string& key) {
  for (const Metric& metric : task.metrics)
    if (metric.key == key) return &metric;
  return nullptr;
}

Metric mean_of(const std::string& key, const std::vector<double>& values) {
  const double n = double(values.size());
  double sum = 0, squares = 0;
  for (const double x : values) sum += x;
  Metric metric{key, sum / n, {}};
  for (const double x : values) squares += (x - metric.value) * (x - metric.value);
  if (values.size() > 1) metric.standard_error = std::sqrt(squares / (n - 1) / n);
  if (key != kPerplexity) return metric;
  metric.value = std::exp(-metric.value);
  if (metric.standard_error) *metric.standard_error *= metric.value;
  return metric;
}

TaskResult summarize(const std::string& name, const std::vector<Sample>& samples,
                     int64_t num_docs) {
  TaskResult result{name, {}, num_docs, int64_t(samples.size()), 0};
  for (const Sample& sample : samples) result.num_truncated += sample.truncated;
  if (samples.empty()) return result;
  for (const auto& [key, score] : samples[0].scores) {
    std::vector<double> values;
    for (const Sample& sample : samples) values.push_back(sample.scores.at(key));
    result.metrics.push_back(mean_of(key, values));
  }
  return result;
}

TaskResult pooled(const std::string& name, const std::vector<TaskResult>& tasks) {
  TaskResult group{name, {}, 0, 0, 0};
  double degrees = 0;  // of freedom
  for (const TaskResult& task : tasks) {
    group.num_docs += task.num_docs;
    group.num_scored += task.num_scored;
    group.num_truncated += task.num_truncated;
    degrees += double(task.num_scored) - 1;
  }
  const double all = double(group.num_scored);
  for (const Metric& metric : tasks[0].metrics) {
    const auto has_it = [&](const TaskResult& task) { return find_metric(task, metric.key); };
    if (!std::all_of(tasks.begin(), tasks.end(), has_it)) continue;
    double sum = 0, variance = 0;
    for (const TaskResult& task : tasks) {
      const Metric& own = *has_it(task);
      const double n = double(task.num_scored), error = own.standard_error.value_or(0);
      sum += n * own.value;
      variance += (n - 1) * error * error * n;
    }
    group.metrics.push_back({metric.key, sum / all, {}});
    if (degrees > 0) group.metrics.back().standard_error = std::sqrt(variance / degrees / all);
  }
  return group;
}

}  // namespace tptt
