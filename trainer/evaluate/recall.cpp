#include "trainer/evaluate/recall.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iostream>

#include "data/line_reader.h"
#include "models/formats/atomic_file.h"
#include "models/formats/error.h"
#include "models/liza/inject.h"
#include "trainer/commands.h"
#include "trainer/evaluate/recall_tasks.h"
#include "trainer/evaluate/targets.h"
#include "trainer/evaluate/text.h"
#include "trainer/load_model.h"
#include "trainer/progress.h"

namespace tptt {
namespace {

constexpr int64_t kFirstBucket = 64;  // positions of the first bucket of losses; each next doubles

struct Score {
  int64_t right = 0, count = 0;
  double log_prob = 0;
  int64_t tokens = 0;
};

// An answer counts when greedy decoding gives all of its tokens.
void add(Score& score, const RecallItem& item, const std::vector<TokenScore>& tokens) {
  size_t next = 0;
  for (const auto& [begin, end] : item.answers) {
    bool right = true;
    for (int64_t t = begin; t < end; ++t, ++next) {
      right &= tokens[next].greedy;
      score.log_prob += tokens[next].log_prob;
      ++score.tokens;
    }
    score.right += right;
    ++score.count;
  }
}

std::vector<int64_t> positions_of(const RecallItem& item) {
  std::vector<int64_t> positions;
  for (const auto& [begin, end] : item.answers)
    for (int64_t t = begin; t < end; ++t) positions.push_back(t);
  return positions;
}

class Recall {
 public:
  Recall(const LoadedModel& loaded, const RecallFlags& flags, const TokenIds& text,
         std::vector<std::string> branches)
      : loaded_(loaded), flags_(flags), text_(text), branches_(std::move(branches)) {
    total_ = int64_t(branches_.size()) * flags_.samples *
             int64_t(flags_.lengths.size() * flags_.depths.size() + flags_.num_keys.size() + 1);
  }

  Json needle() {
    Json rows = Json::array();
    for (const std::string& branch : branches_)
      for (const int64_t length : flags_.lengths)
        for (const double depth : flags_.depths) {
          const Score score = run(branch, [&](uint64_t sample) {
            return make_needle(*loaded_.tokenizer, text_, length, depth, uint64_t(flags_.seed),
                               sample);
          });
          rows.push_back(row(branch, score, {{"length", length}, {"depth", depth}}));
        }
    return rows;
  }

  Json associative() {
    Json rows = Json::array();
    for (const std::string& branch : branches_)
      for (const int64_t num_keys : flags_.num_keys) {
        const Score score = run(branch, [&](uint64_t sample) {
          return make_associative(*loaded_.tokenizer, num_keys, uint64_t(flags_.seed), sample);
        });
        rows.push_back(row(branch, score, {{"num_keys", num_keys}}));
      }
    return rows;
  }

  Json perplexity() {
    Json rows = Json::array();
    const int64_t length = *std::max_element(flags_.lengths.begin(), flags_.lengths.end());
    for (const std::string& branch : branches_) {
      std::vector<std::vector<double>> windows;  // loss of each bucket, window by window
      std::vector<Score> buckets(1);
      for (int64_t end = kFirstBucket; end < length; end *= 2) buckets.emplace_back();
      for (int64_t sample = 0; sample < flags_.samples; ++sample) {
        const RecallItem item = make_window(text_, length, uint64_t(flags_.seed), uint64_t(sample));
        const auto tokens = score(branch, item);
        const std::vector<Score> before = buckets;
        int64_t end = kFirstBucket;
        for (size_t i = 0, bucket = 0; i < tokens.size(); ++i) {
          if (item.answers[i].first >= end) end *= 2, ++bucket;
          buckets[bucket].log_prob += tokens[i].log_prob;
          ++buckets[bucket].tokens;
        }
        windows.emplace_back();
        for (size_t b = 0; b < buckets.size(); ++b)
          windows.back().push_back((before[b].log_prob - buckets[b].log_prob) /
                                   double(buckets[b].tokens - before[b].tokens));
      }
      int64_t begin = 0, end = kFirstBucket;
      for (size_t b = 0; b < buckets.size(); ++b) {
        const Score& bucket = buckets[b];
        Json losses = Json::array();
        for (const auto& window : windows) losses.push_back(window[b]);
        const double loss = -bucket.log_prob / double(bucket.tokens);
        rows.push_back({{"branch", branch},
                        {"begin", begin},
                        {"end", std::min(end, length)},
                        {"loss", loss},
                        {"perplexity", std::exp(loss)},
                        {"tokens", bucket.tokens},
                        {"losses", losses}});
        begin = end, end *= 2;
      }
    }
    return rows;
  }

 private:
  std::vector<TokenScore> score(const std::string& branch, const RecallItem& item) {
    const auto tokens =
        score_tokens(*loaded_.model, item.ids, positions_of(item), parse_branch(branch));
    show_count("sequences scored", ++done_, total_);
    return tokens;
  }

  Score run(const std::string& branch, const std::function<RecallItem(uint64_t)>& make) {
    Score all;
    for (int64_t sample = 0; sample < flags_.samples; ++sample) {
      const RecallItem item = make(uint64_t(sample));
      add(all, item, score(branch, item));
    }
    return all;
  }

  static Json row(const std::string& branch, const Score& score, Json row) {
    row["branch"] = branch;
    row["accuracy"] = double(score.right) / double(score.count);
    row["answers"] = score.count;
    row["log_prob"] = score.log_prob / double(score.tokens);  // a token
    return row;
  }

  const LoadedModel& loaded_;
  const RecallFlags& flags_;
  const TokenIds& text_;
  std::vector<std::string> branches_;
  int64_t done_ = 0, total_ = 0;
};

void check(const RecallFlags& flags) {
  for (const double depth : flags.depths)
    if (!(depth >= 0 && depth <= 1)) throw UsageError("--depths: expected shares from 0 to 1");
  for (const int64_t length : flags.lengths)
    if (length < 128) throw UsageError("--lengths: expected at least 128 tokens");
  for (const int64_t keys : flags.num_keys)
    if (keys < 1 || keys > max_associative_keys())
      throw UsageError("--num-keys: expected from 1 to " + std::to_string(max_associative_keys()));
  if (std::filesystem::exists(flags.output) && !std::filesystem::is_empty(flags.output))
    throw UsageError("--output '" + flags.output + "' is not empty; choose a new directory");
}

void print_rows(const Json& results) {
  for (const Json& row : results["perplexity"])
    std::printf("%-8s positions %6ld to %6ld  loss %.4f  perplexity %.2f\n",
                row["branch"].get<std::string>().c_str(), long(row["begin"]), long(row["end"]),
                row["loss"].get<double>(), row["perplexity"].get<double>());
  for (const Json& row : results["needle"])
    std::printf("%-8s needle in %6ld tokens, depth %3.0f%%  %3.0f%% right  log prob %.2f\n",
                row["branch"].get<std::string>().c_str(), long(row["length"]),
                100 * row["depth"].get<double>(), 100 * row["accuracy"].get<double>(),
                row["log_prob"].get<double>());
  for (const Json& row : results["associative"])
    std::printf("%-8s %3ld pairs  %3.0f%% right  log prob %.2f\n",
                row["branch"].get<std::string>().c_str(), long(row["num_keys"]),
                100 * row["accuracy"].get<double>(), row["log_prob"].get<double>());
}

}  // namespace

void run_recall(const CommonFlags& common, const RecallFlags& flags) {
  check(flags);
  const LoadedModel loaded = load_model(common, true);
  std::vector<std::string> branches{"softmax"};
  const bool memory = has_memory(*loaded.model);
  if (flags.max_self_attn_length > 0)
    set_attention_window(*loaded.model, {flags.max_self_attn_length, flags.num_sink_tokens});
  const AttentionWindow window = window_of(*loaded.model);
  if (window.length > 0) branches.push_back("window");
  if (memory) branches.insert(branches.end(), {"mixed", "linear"});
  const TokenIds text = loaded.tokenizer->encode(read_utf8(flags.text));

  Recall recall(loaded, flags, text, branches);
  Json results = {{"model", common.model},
                  {"adapter", common.adapter},
                  {"text", std::filesystem::path(flags.text).filename().string()},
                  {"branches", branches},
                  {"seed", flags.seed},
                  {"samples", flags.samples}};
  results["max_self_attn_length"] = window.length > 0 ? Json(window.length) : Json();
  results["num_sink_tokens"] = window.length > 0 ? Json(window.sinks) : Json();
  results["perplexity"] = recall.perplexity();
  results["needle"] = recall.needle();
  results["associative"] = recall.associative();
  std::filesystem::create_directories(flags.output);
  write_file_atomic(flags.output + "/recall.json", results.dump(2) + "\n");
  write_file_atomic(flags.output + "/recall.html", recall_page(results));
  if (flags.json) {
    std::cout << results.dump() << "\n";
  } else {
    print_rows(results);
    std::printf("plots in %s/recall.html\n", flags.output.c_str());
  }
}

}  // namespace tptt
