#include <c10/util/Exception.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>

#include "models/formats/error.h"
#include "trainer/bench.h"
#include "trainer/block_cache.h"
#include "trainer/commands.h"
#include "trainer/config.h"
#include "trainer/launch.h"
#include "trainer/load_model.h"
#include "trainer/runtime.h"
#include "trainer/train.h"

namespace {

using namespace tptt;

void add_common(CLI::App& command, CommonFlags& flags) {
  command
      .add_option("model", flags.model,
                  "Hugging Face directory, .gguf file, smollm2-135m-instruct or org/name")
      ->required();
  command.add_option("--adapter", flags.adapter, "adapter directory");
  command.add_option("--dtype", flags.dtype, "auto, float32 or bfloat16")->capture_default_str();
  command.add_option("--device", flags.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  command
      .add_option("--quantization", flags.quantization, "keep: a .gguf file's blocks as they are")
      ->check(CLI::IsMember({"none", "keep"}))
      ->capture_default_str();
  command.add_option("--num-threads", flags.num_threads, "0: all cores")->capture_default_str();
}

void add_branch(CLI::App& command, CommonFlags& flags) {
  command.add_option("--branch", flags.branch, branch_names())->capture_default_str();
}

// Shared with the callbacks, which run while the line is parsed; what scores is float32 by default.
std::shared_ptr<CommonFlags> scoring_flags() {
  const auto common = std::make_shared<CommonFlags>();
  common->dtype = "float32";
  return common;
}

void add_recall(CLI::App& app) {
  auto* command = app.add_subcommand("recall", "long-context checks of every branch");
  const auto flags = std::make_shared<RecallFlags>();
  const auto common = scoring_flags();
  add_common(*command, *common);
  command->add_option("--text", flags->text, "UTF-8 text, longer than the longest of --lengths")
      ->required();
  command->add_option("--output", flags->output, "new directory for recall.json and recall.html")
      ->required();
  command
      ->add_option("--lengths", flags->lengths, "tokens of the haystacks; loss up to the longest")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--depths", flags->depths, "where needles lie, from 0 to 1")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--num-keys", flags->num_keys, "pairs to remember")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--samples", flags->samples, "sequences of each kind")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--max-self-attn-length", flags->max_self_attn_length,
                   "window of all branches but softmax; 0: as trained")
      ->capture_default_str()
      ->check(CLI::Range(0, 1 << 30));
  command
      ->add_option("--num-sink-tokens", flags->num_sink_tokens, "first tokens that it still sees")
      ->capture_default_str()
      ->check(CLI::Range(0, 1 << 30));
  command->add_option("--seed", flags->seed)->capture_default_str();
  command->add_flag("--json", flags->json, "print one JSON object");
  command->callback([=] { run_recall(*common, *flags); });
}

void add_train(CLI::App& app) {
  auto* command = app.add_subcommand("train", "fine-tune as a YAML file says");
  const auto path = std::make_shared<std::string>();
  const auto overrides = std::make_shared<std::vector<std::string>>();
  const auto flags = std::make_shared<TrainFlags>();
  command->add_option("config", *path, "configuration (configs/README.md)")->required();
  command->add_option("overrides", *overrides, "key=value, e.g. training.max_steps=20");
  command->add_option("--resume", flags->resume, "auto, never or a checkpoint")
      ->capture_default_str();
  auto* dry_run = command->add_flag("--dry-run", flags->dry_run, "check everything, train nothing");
  command->add_option("--world-size", flags->world_size, "forecast one of so many processes")
      ->needs(dry_run)
      ->check(CLI::Range(1, 1 << 16));
  command->callback([=] { train(load_config(*path, *overrides), *flags); });
}

void add_bench(CLI::App& app) {
  auto* command = app.add_subcommand("bench", "where a step's time and memory go");
  const auto path = std::make_shared<std::string>();
  const auto overrides = std::make_shared<std::vector<std::string>>();
  const auto flags = std::make_shared<BenchFlags>();
  command->add_option("config", *path, "configuration (configs/README.md)")->required();
  command->add_option("overrides", *overrides, "key=value, e.g. model.dtype=float32");
  command->add_option("--steps", flags->steps)->capture_default_str()->check(CLI::PositiveNumber);
  command->add_flag("--json", flags->json, "print one JSON object");
  command->callback([=] { bench(load_config(*path, *overrides), *flags); });
}

void add_generate(CLI::App& app) {
  const auto common = std::make_shared<CommonFlags>();
  const auto flags = std::make_shared<GenerateFlags>();
  auto* command = app.add_subcommand("generate", "continue a prompt, streaming");
  add_common(*command, *common);
  add_branch(*command, *common);
  command->add_option("--prompt", flags->prompt, "text; without it, stdin");
  command->add_flag("--chat", flags->chat, "the prompt is a user's turn");
  command->add_option("--chat-template", flags->chat_template)->capture_default_str();
  command->add_option("--max-new-tokens", flags->max_new_tokens)
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--temperature", flags->temperature, "0: greedy")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_option("--top-p", flags->top_p, "smallest set of tokens of this probability")
      ->capture_default_str()
      ->check(CLI::Range(1e-6, 1.0));
  command->add_option("--seed", flags->seed)->capture_default_str();
  command->callback([=] { run_generate(*common, *flags); });
}

void add_eval(CLI::App& app) {
  const auto common = scoring_flags();
  const auto flags = std::make_shared<EvalFlags>();
  auto* command = app.add_subcommand("eval", "score a model on a task");
  add_common(*command, *common);
  add_branch(*command, *common);
  command
      ->add_option("--task", flags->tasks,
                   "sample (exact match), perplexity, or benchmarks: mmlu, arc_easy, ... "
                   "(docs/evaluation.md)")
      ->delimiter(',')
      ->capture_default_str();
  command
      ->add_option(
          "--data", flags->data,
          "rows to score, a .txt for perplexity; of benchmarks their file or directory, or "
          "TASK=PATH for each")
      ->required();
  command->add_option("--shots", flags->shots_data,
                      "file of the shots that --num-fewshot asks for");
  command->add_option("--num-fewshot", flags->num_fewshot, "default: the task's own")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--protocol", flags->protocol, "of MMLU: lm-eval, hendrycks or lighteval")
      ->capture_default_str();
  command->add_option("--limit", flags->limit, "first rows of each task; 0: all")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--max-length", flags->max_length,
                   "sample, perplexity: tokens of a row or window; default: 1024")
      ->check(CLI::Range(2, 1 << 20));
  command
      ->add_option("--stride", flags->stride,
                   "new tokens of a window, perplexity of a .txt; default: --max-length")
      ->check(CLI::PositiveNumber);
  command->add_option(
      "--chat-template", flags->chat_template,
      "sample, perplexity of chats: a name (data/README.md); default: the model's own");
  command
      ->add_option("--batch-size", flags->batch_size,
                   "sample: answers written at once; default: 64")
      ->check(CLI::PositiveNumber);
  command->add_option("--output", flags->output, "also write the result to this file");
  command->add_option("--log-samples", flags->log_samples,
                      "one line a question; default: beside --output");
  command->add_flag("--resume", flags->resume, "go on with the samples of an interrupted run");
  command->add_flag("--json", flags->json, "print one JSON object");
  command->callback([=] { run_eval(*common, *flags); });
}

void add_compare(CLI::App& app) {
  const auto flags = std::make_shared<CompareFlags>();
  auto* command = app.add_subcommand("compare", "two evaluations of the same questions, paired");
  command->add_option("first", flags->first, "results that eval --output wrote")->required();
  command->add_option("second", flags->second, "the same of another model or adapter")->required();
  command->add_flag("--questions", flags->questions, "also list what came out differently");
  command->add_flag("--json", flags->json, "print one JSON object");
  command->callback([=] { run_compare(*flags); });
}

void add_logits(CLI::App& app) {
  const auto common = scoring_flags();
  const auto input_ids = std::make_shared<std::string>(), output = std::make_shared<std::string>();
  auto* command = app.add_subcommand("logits", "logits of given token ids, for parity checks");
  add_common(*command, *common);
  add_branch(*command, *common);
  command->add_option("--input-ids", *input_ids, "{\"input_ids\": [[...]]}")->required();
  command->add_option("--output", *output, "safetensors file")->required();
  command->callback([=] { run_logits(*common, *input_ids, *output); });
}

void add_tokenize(CLI::App& app) {
  const auto path = std::make_shared<std::string>();
  const auto decode = std::make_shared<bool>(false), special = std::make_shared<bool>(false);
  auto* command = app.add_subcommand("tokenize", "one line in, one JSON array of ids out");
  command->add_option("model", *path)->required();
  command->add_flag("--decode", *decode, "the other way round");
  command->add_flag("--special", *special, "add (or keep) special tokens");
  command->callback([=] { run_tokenize(*path, *decode, *special); });
}

void add_inspect(CLI::App& app) {
  const auto path = std::make_shared<std::string>();
  auto* command =
      app.add_subcommand("inspect", "what a model, run, adapter, safetensors or GGUF file holds");
  command->add_option("path", *path)->required();
  command->callback([=] { run_inspect(*path); });
}

void add_export(CLI::App& app) {
  const auto flags = std::make_shared<ExportFlags>();
  auto* command = app.add_subcommand("export", "write an adapter for other tools");
  command->add_option("from", flags->from, "run or adapter directory")->required();
  command->add_option("--format", flags->format, export_formats())->capture_default_str();
  command->add_option("--output", flags->output, "new directory, or new file (GGUF)")->required();
  command->add_option("--model", flags->model, "the base model, where it lies elsewhere now");
  command->add_option("--outtype", flags->outtype,
                      "f16 or q8_0, for a merged GGUF file (default f16)");
  command->add_flag("--drop-liza", flags->drop_liza, "leave out the memory (merged, gguf-lora)");
  command->callback([=] { run_export(*flags); });
}

// Of many processes each says which it is.
std::string process_name() {
  try {
    const Launch launch = read_launch(std::getenv);
    if (launch.world_size == 1) return "";
    return "process " + std::to_string(launch.rank) + " of " + std::to_string(launch.world_size) +
           ": ";
  } catch (const UsageError&) {
    return "";
  }
}

// One line whatever a file's names and texts hold.
void print_error(std::string text) {
  for (char& c : text)
    if (uint8_t(c) < ' ' || c == '\x7f') c = ' ';
  std::fprintf(stderr, "error: %s%s\n", process_name().c_str(), text.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  install_block_cache();
  // oneDNN, and ATen beside it, keep compiled code for each number of tokens they have seen: a step
  // needs a few of them.
  for (const char* cache : {"ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"})
    setenv(cache, "32", /*replace=*/0);
  CLI::App app("tptt: fine-tune pretrained transformers with LoRA and a linear-attention memory");
  app.set_version_flag("--version", std::string("tptt ") + TPTT_VERSION);
  app.require_subcommand(1);
  add_train(app);
  add_bench(app);
  add_generate(app);
  add_eval(app);
  add_compare(app);
  add_logits(app);
  add_recall(app);
  add_tokenize(app);
  add_inspect(app);
  add_export(app);

  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const Interrupted& e) {
    return e.exit_code;
  } catch (const UsageError& e) {
    print_error(e.what());
    return 2;
  } catch (const Error& e) {
    print_error(e.what());
  } catch (const std::bad_alloc&) {
    print_error(std::string("out of memory; ") + kOutOfMemoryAdvice);
  } catch (const c10::OutOfMemoryError& e) {
    const std::string text = e.what_without_backtrace();
    print_error(text.substr(0, text.find('\n')) + " " + kOutOfMemoryAdvice);
  } catch (const c10::Error& e) {
    print_error(e.what_without_backtrace());
  } catch (const std::exception& e) {
    print_error(e.what());
  }
  return 1;
}
