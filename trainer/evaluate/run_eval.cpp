#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>

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

void check(const EvalFlags& flags) {
  if (flags.data.size() != 1)
    throw UsageError("--data: --task " + flags.tasks[0] + " takes one file");
  if (flags.tasks[0] == "sample" && is_plain_text(flags.data[0]))
    throw UsageError("--data '" + flags.data[0] +
                     "': sample needs rows (JSONL); plain text has --task perplexity");
  if (flags.num_fewshot.value_or(0) > 0 && flags.shots_data.empty())
    throw UsageError("--num-fewshot needs --shots FILE");
  if (flags.resume || !flags.log_samples.empty())
    throw UsageError("--resume and --log-samples are for benchmarks, not for --task " +
                     flags.tasks[0]);
}

void add_loss(Json& result, const LossScore& loss) {
  result["loss"] = loss.loss;
  result["perplexity"] = std::exp(loss.loss);
  result["target_tokens"] = loss.num_target_tokens;
}

void score_text(const LoadedModel& loaded, const EvalFlags& flags, Branch branch, Json& result) {
  const TextWindows text = read_text_windows(flags.data[0], *loaded.tokenizer, flags.max_length);
  const LossScore loss = evaluate_loss(*loaded.model, text.windows, kBatchTokens, branch);
  result["windows"] = text.windows.size();
  result["bytes"] = text.num_bytes;
  add_loss(result, loss);
  result["bits_per_byte"] =
      loss.loss * double(loss.num_target_tokens) / std::log(2.0) / double(text.num_bytes);
}

void score_rows(const LoadedModel& loaded, const EvalFlags& flags, Branch branch, Json& result) {
  const auto rows = read_rows(flags.data[0], "auto", flags.limit);
  TokenizeOptions options;
  options.max_length = flags.max_length;
  if (!rows[0].messages.empty())
    options.chat_template = resolve_chat_template(flags.chat_template, *loaded.tokenizer);
  const TokenizedRows tokenized =
      tokenize_rows(rows, *loaded.tokenizer, loaded.model->config.first_eos(), options);
  result["rows"] = rows.size();
  add_loss(result, evaluate_loss(*loaded.model, tokenized.examples, kBatchTokens, branch));
  if (flags.tasks[0] == "perplexity") return;
  const int64_t num_fewshot = flags.num_fewshot.value_or(0);
  std::vector<Row> shots;
  if (num_fewshot > 0) shots = read_rows(flags.shots_data, "auto", num_fewshot);
  const ExactMatchScore score =
      evaluate_exact_match(*loaded.model, *loaded.tokenizer, options.chat_template, rows, shots,
                           num_fewshot, flags.batch_size, branch);
  result["exact_match"] = double(score.correct) / double(score.total);
  result["num_fewshot"] = num_fewshot;
  result["answers"] = score.answers;
}

void print_score(const Json& result) {
  if (result.contains("rows")) {
    std::printf("rows %ld", long(result["rows"].get<int64_t>()));
  } else {
    std::printf("tokens %ld  bits per byte %.4f", long(result["target_tokens"].get<int64_t>()),
                result["bits_per_byte"].get<double>());
  }
  std::printf("  loss %.4f  perplexity %.3f", result["loss"].get<double>(),
              result["perplexity"].get<double>());
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
    score_text(loaded, flags, branch, result);
  } else {
    score_rows(loaded, flags, branch, result);
  }
  if (!flags.output.empty()) write_file_atomic(flags.output, result.dump(2) + "\n");
  if (flags.json) {
    std::cout << result.dump() << "\n";
  } else {
    print_score(result);
  }
}

}  // namespace tptt
