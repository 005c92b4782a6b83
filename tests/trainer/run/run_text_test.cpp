#include "trainer/run_text.h"

#include <catch2/catch.hpp>
#include <sstream>

using namespace tptt;

namespace {

size_t widest(const std::string& text) {
  size_t most = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) most = std::max(most, line.size());
  return most;
}

const RunHead kHead = {.version = "0.1.0",
                       .model = "smollm2-135m-instruct",
                       .method = "LoRA (r 16) and LiZA (delta_rule)",
                       .total_parameters = 139400000,
                       .trainable_parameters = 4884750,
                       .train_rows = 500,
                       .train_tokens = 18950,
                       .eval_rows = 100,
                       .packs = 50,
                       .steps = 140,
                       .epochs = 2.8,
                       .tokens_per_step = 379,
                       .dtype = "float32",
                       .device = "cpu",
                       .threads = 2,
                       .output_dir = "runs/quickstart"};

const RunSummary kSummary = {.steps = 140,
                             .tokens = 53060,
                             .seconds = 228,
                             .tokens_per_second = 232.4,
                             .peak_rss_gb = 1.876,
                             .loss = {{4.181, 0.0083}},
                             .eval_loss = {{4.414, 0.008123}},
                             .eval_interval = {{-4.5, -4.31}},
                             .adapter = "runs/q/adapter",
                             .report = "runs/q/report.html",
                             .command = "tptt generate m"};

}  // namespace

TEST_CASE("a run's head") {
  CHECK(head_text(kHead) ==
        "tptt 0.1.0 trains smollm2-135m-instruct\n"
        "  method      LoRA (r 16) and LiZA (delta_rule)\n"
        "  parameters  139,400,000, of which 4,884,750 are trained (3.5%)\n"
        "  data        500 rows, 18,950 tokens in 50 packs\n"
        "  evaluation  100 rows\n"
        "  steps       140 of about 379 tokens, 2.8 epochs\n"
        "  compute     float32 on cpu, 2 threads\n"
        "  output      runs/quickstart\n");
  RunHead large = kHead;
  large.total_parameters = 405000000000;
  large.trainable_parameters = large.train_rows = 1000000000;
  large.train_tokens = large.steps = large.tokens_per_step = 10000000000;
  large.eval_rows = 1000000, large.packs = 100000000, large.epochs = 1e-4;
  CHECK(widest(head_text(large)) < 80);
  large.packs = large.eval_rows = 0, large.threads = 1;
  CHECK(head_text(large).find("tokens\n") != std::string::npos);
  CHECK(head_text(large).find("1 thread\n") != std::string::npos);
}

TEST_CASE("a run's summary") {
  CHECK(summary_text(kSummary) ==
        "done: 140 steps, 53,060 tokens in 3 min 48 s\n"
        "  speed       232 tokens/s, peak memory 1.88 GB\n"
        "  loss        4.181 -> 0.0083\n"
        "  eval loss   4.414 -> 0.008123 (-4.406; 95% -4.5 to -4.31)\n"
        "  adapter     runs/q/adapter\n"
        "  report      runs/q/report.html\n"
        "  try it      tptt generate m\n");
  RunSummary bare = kSummary;
  bare.loss = bare.eval_loss = std::nullopt;
  bare.report.clear();
  CHECK(summary_text(bare).find("loss") == std::string::npos);
  CHECK(summary_text(bare).find("report") == std::string::npos);
  RunSummary large = kSummary;
  large.eval_loss = {{-1.234e-5, -1.234e-5}};
  large.eval_interval = {{-1.234e-5, -1.234e-5}};
  CHECK(widest(summary_text(large)) < 80);
}

TEST_CASE("the command to try is what a shell takes") {
  CHECK(generate_command("org/m", "runs/a", "", "hi") ==
        "tptt generate org/m --adapter runs/a \\\n                --prompt hi");
  CHECK(generate_command("my model", "a", "chatml", "it's $1") ==
        "tptt generate 'my model' --adapter a \\\n                --chat --chat-template chatml "
        "--prompt 'it'\\''s $1'");
  CHECK(eval_text(0.5) == "eval loss 0.5, perplexity 1.649");
}
