#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "data/tasks/task.h"
#include "models/formats/atomic_file.h"
#include "models/formats/error.h"
#include "models/formats/json.h"
#include "trainer/commands.h"
#include "trainer/evaluate/benchmarks.h"
#include "trainer/evaluate/sample.h"
#include "trainer/evaluate/text.h"
#include "trainer/load_model.h"

namespace tptt {
namespace {

constexpr int64_t kBatchTokens = 2048;

bool is_plain_text(const std::string& path) {
  return std::filesystem::path(path).extension() == ".txt";
}

int64_t max_length_of(const EvalFlags& flags) {
  return flags.max_length.value_or(1024);
}

// Tokens that a window scores.
int64_t stride_of(const EvalFlags& flags) {
  return flags.stride.value_or(max_length_of(flags));
}

void check(const EvalFlags& flags) {
  if (flags.data.size() != 1)
    throw UsageError("--data: --task " + flags.tasks[0] + " takes one file");
  if (flags.tasks[0] == "sample" && is_plain_text(flags.data[0]))
    throw UsageError("--data '" + flags.data[0] +
                     "': sample needs rows (JSONL); plain text has --task perplexity");
  if (flags.stride && !is_plain_text(flags.data[0]))
    throw UsageError("--stride is for --task perplexity of a .txt; rows are scored whole");
  if (stride_of(flags) > max_length_of(flags))
    throw UsageError("--stride " + std::to_string(stride_of(flags)) +
                     ": expected at most --max-length, which is " +
                     std::to_string(max_length_of(flags)));
  if (flags.limit > 0 && is_plain_text(flags.data[0]))
    throw UsageError("--limit is for rows; a .txt is scored whole");
  if (parse_protocol(flags.protocol) != Protocol::lm_eval)
    throw UsageError("--protocol is for MMLU, not for --task " + flags.tasks[0]);
  if ((flags.num_fewshot.value_or(0) > 0) != !flags.shots_data.empty())
    throw UsageError("--num-fewshot and --shots FILE go together");
  const auto sample_only = [&](bool is_given, const char* flag) {
    if (is_given && flags.tasks[0] != "sample")
      throw UsageError(std::string(flag) + " is for --task sample, not for perplexity");
  };
  sample_only(!flags.shots_data.empty(), "--shots");
  sample_only(flags.batch_size.has_value(), "--batch-size");
  if (flags.chat_template && is_plain_text(flags.data[0]))
    throw UsageError("--chat-template is for rows, not for a .txt");
  if (flags.resume || !flags.log_samples.empty())
    throw UsageError("--resume and --log-samples are for benchmarks, not for --task " +
                     flags.tasks[0]);
  check_output("--output", flags.output);
  if (!flags.output.empty() && std::filesystem::exists(flags.output))
    throw UsageError(flags.output + ": exists already; give --output another name");
}

void add_loss(Json& result, double loss, int64_t num_target_tokens) {
  result["loss"] = loss;
  result["perplexity"] = std::exp(loss);
  result["target_tokens"] = num_target_tokens;
}

void add_text_scores(const LoadedModel& loaded, const EvalFlags& flags, Branch branch,
                     Json& result) {
  const Text text = read_text(flags.data[0], *loaded.tokenizer, loaded.model->config);
  const auto windows =
      rolling_windows(int64_t(text.ids.size()), max_length_of(flags), stride_of(flags));
  const double loss = -score_text(*loaded.model, text.ids, windows, kBatchTokens, branch);
  const int64_t num_targets = int64_t(text.ids.size()) - 1;
  result["windows"] = windows.size();
  result["bytes"] = text.num_bytes;
  result["words"] = text.num_words;
  add_loss(result, loss / double(num_targets), num_targets);
  result["word_perplexity"] = std::exp(loss / double(std::max<int64_t>(text.num_words, 1)));
  result["byte_perplexity"] = std::exp(loss / double(text.num_bytes));
  result["bits_per_byte"] = loss / std::log(2.0) / double(text.num_bytes);
}

void add_row_scores(const LoadedModel& loaded, const EvalFlags& flags, Branch branch,
                    Json& result) {
  const auto rows = read_rows(flags.data[0], "auto", flags.limit);
  TokenizeOptions options;
  options.max_length = max_length_of(flags);
  if (!rows[0].messages.empty())
    options.chat_template =
        resolve_chat_template(flags.chat_template.value_or("auto"), *loaded.tokenizer);
  const TokenizedRows tokenized =
      tokenize_rows(rows, *loaded.tokenizer, loaded.model->config.first_eos(), options);
  result["rows"] = rows.size();
  const LossScore loss = evaluate_loss(*loaded.model, tokenized.examples, kBatchTokens, branch);
  add_loss(result, loss.loss, loss.num_target_tokens);
  if (flags.tasks[0] == "perplexity") return;
  const int64_t num_fewshot = flags.num_fewshot.value_or(0);
  std::vector<Row> shots;
  if (num_fewshot > 0) shots = read_rows(flags.shots_data, "auto", num_fewshot);
  const ExactMatchScore score =
      evaluate_exact_match(*loaded.model, *loaded.tokenizer, options.chat_template, rows, shots,
                           num_fewshot, flags.batch_size.value_or(64), branch);
  result["exact_match"] = double(score.correct) / double(score.total);
  result["num_fewshot"] = num_fewshot;
  result["answers"] = score.answers;
}

void print_score(const Json& result) {
  if (result.contains("rows")) {
    std::printf("rows %ld", long(result["rows"].get<int64_t>()));
  } else {
    std::printf("tokens %ld", long(result["target_tokens"].get<int64_t>()));
  }
  std::printf("  loss %.4f  perplexity %.3f", result["loss"].get<double>(),
              result["perplexity"].get<double>());
  if (result.contains("bits_per_byte"))
    std::printf("  of a word %.3f  of a byte %.4f  bits per byte %.4f",
                result["word_perplexity"].get<double>(), result["byte_perplexity"].get<double>(),
                result["bits_per_byte"].get<double>());
  if (result.contains("exact_match"))
    std::printf("  exact match %.1f%%", 100 * result["exact_match"].get<double>());
  std::printf("\n");
}

}  // namespace

void run_eval(const CommonFlags& common, const EvalFlags& flags) {
  if (flags.tasks.size() > 1 || !is_own_task(flags.tasks[0])) return run_benchmarks(common, flags);
  check(flags);
  const Branch branch = parse_branch(common.branch);
  const LoadedModel loaded = load_model(common, true);
  Json result = {{"task", flags.tasks[0]},
                 {"model", common.model},
                 {"adapter", common.adapter},
                 {"branch", common.branch}};
  if (is_plain_text(flags.data[0])) {
    add_text_scores(loaded, flags, branch, result);
  } else {
    add_row_scores(loaded, flags, branch, result);
  }
  if (flags.json) {
    std::cout << result.dump() << std::endl;
  } else {
    print_score(result);
  }
  if (!flags.output.empty()) write_file_atomic(flags.output, result.dump(2) + "\n");
}

}  // namespace tptt
