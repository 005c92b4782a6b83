#pragma once

#include <concepts>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "data/dataset.h"
#include "data/tasks/task.h"
#include "models/liza/operator_mode.h"
#include "trainer/config.h"

namespace tptt {

/// What a key's value may be. Ranges count for numbers, the rest for strings.
struct Rule {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool open_min = false;                       // min itself is out
  bool open_max = false;                       // max itself is out
  std::vector<std::string> choices = {};       // empty: any text
  std::vector<std::string> not_yet = {};       // known elsewhere, refused as "not supported yet"
  bool (*fits)(const std::string&) = nullptr;  // further texts beside choices
  const char* fits_text = "";                  // what `fits` takes, for messages
  bool any_of = false;                         // a list of some of the choices
  bool required = false;
  bool may_change = false;    // a resumed run may have another value
  bool adapter_only = false;  // in liza_config.json, not in the YAML
};

std::vector<std::string> branch_choices();
std::vector<std::string> chat_template_choices();
bool is_cuda_device(const std::string& text);
bool is_pissa_niter(const std::string& text);

inline const Rule kAny{};
inline const Rule kCount{.min = 0};
inline const Rule kCadence{.min = 0, .may_change = true};
inline const Rule kPositiveCount{.min = 1};
inline const Rule kWeight{.min = 0, .max = 1};

template <class T, class Struct>
concept Is = std::same_as<std::remove_const_t<T>, Struct>;

// One visit_keys per struct names every key once; reader, writer, reference and comparison are
// visitors: key(name, member, rule, meaning).

void visit_keys(Is<ModelSection> auto& model, auto&& key) {
  key("name_or_path", model.name_or_path, Rule{.required = true},
      "Base model: Hugging Face directory, .gguf file, `smollm2-135m-instruct`, or `org/name` in "
      "the local Hugging Face cache");
  key("adapter_name_or_path", model.adapter_name_or_path, kAny,
      "Adapter directory to go on from; empty: a fresh adapter");
  key("dtype", model.dtype, Rule{.choices = {"auto", "float32", "bfloat16"}},
      "Type of the base weights");
  key("device", model.device,
      Rule{.choices = {"auto", "cpu", "cuda"}, .fits = is_cuda_device, .fits_text = "cuda:N"},
      "Where to compute");
  key("quantization", model.quantization, Rule{.choices = {"none", "keep"}},
      "`keep`: the blocks of a .gguf file stay packed in memory and are decoded where they "
      "multiply; `none`: they become `dtype` when they are read");
}

void visit_keys(Is<MagConfig> auto& mag, auto&& key) {
  key("mode", mag.mode,
      Rule{.choices = {"learned", "token", "gradual", "constant", "cyclic", "switch"}},
      "How the memory's weight is set: one learned gate per head, the same with a say of each "
      "query "
      "(`token`, with branch_scale: learned), a ramp, a constant, a list gone "
      "through step by step, or a constant in every other step");
  key("mag_weight", mag.mag_weight, kWeight,
      "`constant`, `switch`: the weight; `learned`, `token`: where the gates start; `cyclic`: the "
      "weight "
      "after "
      "training");
  key("initial_weight", mag.initial_weight, kWeight, "`gradual`: weight at the first step");
  key("final_weight", mag.final_weight, kWeight, "`gradual`: weight from transition_step on");
  key("transition_step", mag.transition_step, kPositiveCount, "`gradual`: length of the ramp");
  key("weight_list", mag.weight_list, kWeight, "`cyclic`: the weights, one a step");
  key("gate_lr_multiplier", mag.gate_lr_multiplier, Rule{.min = 0},
      "The learning rate of gates, and of other numbers a head, over training.learning_rate");
  key("effective_weight", mag.effective_weight, Rule{.min = -1, .max = 1, .adapter_only = true},
      "Mean weight in force when the adapter was saved");
}

void visit_keys(Is<LizaConfig> auto& liza, auto&& key) {
  key("operator_mode", liza.operator_mode, Rule{.choices = operator_modes()},
      "Update rule of the memory");
  key("implementation", liza.implementation, Rule{.choices = {"exact", "tptt"}},
      "`exact`: the paper's recurrence; `tptt`: what the Python package 0.12.1 computes, for "
      "adapters "
      "trained there");
  key("max_chunk_size", liza.max_chunk_size, Rule{.min = 1, .max = 4096},
      "Tokens per chunk; changes speed only (with `tptt` also the result)");
  key("linear_precision", liza.linear_precision,
      Rule{.choices = {"float32", "float64"}, .not_yet = {"bfloat16", "float16"}},
      "Type the memory computes in");
  key("cross_gate", liza.cross_gate, kAny,
      "Add the product of the two weighted branches to their sum");
  key("base_scale_attn", liza.base_scale_attn, kAny,
      "Multiply the memory's projected output by the RMS of the softmax branch's");
  key("branch_scale", liza.branch_scale, Rule{.choices = {"match", "none", "learned"}},
      "`match`: the memory's output gets the size of the softmax branch's, head by head; "
      "`learned`: "
      "one that each head learns");
  key("max_self_attn_length", liza.max_self_attn_length, Rule{.min = 1, .max = 1 << 30},
      "Softmax attention sees this many last tokens and the sinks; none: all tokens");
  key("num_sink_tokens", liza.num_sink_tokens, Rule{.min = 0, .max = 1 << 30},
      "First tokens of a sequence that a window still sees");
  key("transfer_steps", liza.transfer_steps, Rule{.min = 0},
      "In this many first steps, or below 1 this share of all, the memory alone learns, layer by "
      "layer, to give what the window lacks of full softmax attention");
  key("transfer_learning_rate", liza.transfer_learning_rate, Rule{.min = 0},
      "The memory's learning rate in these steps");
  key("memory_lr_multiplier", liza.memory_lr_multiplier, Rule{.min = 0},
      "The learning rate of a memory's maps and weights over training.learning_rate");
  key("target_modules", liza.target_modules, Rule{.choices = {"all"}},
      "Attentions that get a memory, by name or what follows a dot (`self_attn`, "
      "`layers.3.self_attn`), or `all`");
  key("mag", liza.mag, kAny, "Memory as Gate");
}

void visit_keys(Is<LoraConfig> auto& lora, auto&& key) {
  key("r", lora.r, Rule{.min = 1, .max = 65536}, "Rank");
  key("lora_alpha", lora.lora_alpha, Rule{.min = 0, .open_min = true},
      "Updates are scaled by lora_alpha / r (by lora_alpha / sqrt(r) with use_rslora)");
  key("lora_dropout", lora.lora_dropout, Rule{.min = 0, .max = 1, .open_max = true},
      "Dropout before the low-rank update");
  key("target_modules", lora.target_modules, kAny,
      "Modules that get LoRA: a list of names (whole, or what follows a dot), one text as a "
      "regular "
      "expression for whole names, or `all-linear`: every Linear but the output head. `lm_head` "
      "and "
      "`embed_tokens` can be named");
  key("exclude_modules", lora.exclude_modules, kAny, "Modules that do not, as target_modules");
  key("layers_to_transform", lora.layers_to_transform, kCount,
      "Only modules of these layers, counted from 0; empty: of all");
  key("rank_pattern", lora.rank_pattern, Rule{.min = 1, .max = 65536},
      "Ranks of modules that a regular expression fits (a whole name, or what follows a dot)");
  key("alpha_pattern", lora.alpha_pattern, Rule{.min = 0, .open_min = true}, "The same for alphas");
  key("use_rslora", lora.use_rslora, kAny, "Rank-stabilised LoRA");
  key("use_dora", lora.use_dora, kAny,
      "DoRA: each row of a weight gets a learned length, LoRA turns it");
  key("init_lora_weights", lora.init_lora_weights,
      Rule{.choices = {"true", "gaussian", "orthogonal", "pissa"},
           .not_yet = {"false", "olora", "eva", "corda", "loftq", "lora_ga", "mica"},
           .fits = is_pissa_niter,
           .fits_text = "pissa_niter_N"},
      "How A and B begin: `true`: A as PEFT (Kaiming), B zero; `gaussian`: A from N(0, 1/r^2); "
      "`orthogonal`: not zero, r even; `pissa`: the largest singular values of the weight, which "
      "keeps the rest (`pissa_niter_N`: by N power iterations, much faster)");
  key("loraplus_lr_ratio", lora.loraplus_lr_ratio, Rule{.min = 0, .open_min = true},
      "LoRA+: learning rate of B over that of A");
  key("modules_to_save", lora.modules_to_save, kAny,
      "Modules that are trained whole and saved with the adapter (`embed_tokens`, `lm_head`)");
}

void visit_keys(Is<DataFile> auto& file, auto&& key) {
  key("path", file.path, Rule{.required = true},
      "JSONL, JSON, CSV, Parquet or text file, relative to the working directory");
  key("format", file.format, Rule{.choices = row_format_names()}, "Row format");
  key("weight", file.weight, Rule{.min = 0, .max = 100, .open_min = true},
      "How often an epoch has each row: 2 is twice, 0.5 is half of the rows, the same every epoch");
  key("limit", file.limit, kCount, "Rows to read; 0: all");
}

void visit_keys(Is<DataColumns> auto& columns, auto&& key) {
  key("messages", columns.messages, kAny, "The files' name for `messages`");
  key("conversations", columns.conversations, kAny, "The same for `conversations`");
  key("instruction", columns.instruction, kAny, "The same for `instruction`");
  key("input", columns.input, kAny, "The same for `input`");
  key("output", columns.output, kAny, "The same for `output`");
  key("prompt", columns.prompt, kAny, "The same for `prompt`");
  key("completion", columns.completion, kAny, "The same for `completion`");
  key("text", columns.text, kAny, "The same for `text`");
}

void visit_keys(Is<DataSection> auto& data, auto&& key) {
  key("train", data.train, Rule{.required = true}, "Training files");
  key("eval", data.eval, kAny, "Held-out files, scored by loss");
  key("eval_split", data.eval_split, Rule{.min = 0, .max = 1 << 30},
      "Rows of the training files to hold out instead of eval files, drawn by the seed before "
      "weights; below 1: a fraction of them; 0: none");
  key("columns", data.columns, kAny, "The files' names for the fields that the formats know");
  key("prompt_template", data.prompt_template, kAny,
      "Text with `{field}` in it, `{{` and `}}` for braces: the prompt of rows that are of no "
      "other "
      "format and of files with format `template`; their completion is the field `completion` or "
      "`output`");
  key("skip_bad_rows", data.skip_bad_rows, kAny,
      "Leave out rows that cannot be read, with a warning; else the first one is an error");
  key("chat_template", data.chat_template, Rule{.choices = chat_template_choices()},
      "How a conversation becomes text; `auto`: the model's own");
  key("max_length", data.max_length, Rule{.min = 2, .max = 1 << 20},
      "Tokens per example, or per pack");
  key("excess_length_strategy", data.excess_length_strategy,
      Rule{.choices = {"truncate", "drop", "raise"}}, "What to do with longer examples");
  key("packing", data.packing, kAny, "Put several examples into each max_length tokens");
  key("group_by_length", data.group_by_length, kAny,
      "Without packing: batches of examples of like length");
  key("completion_only_loss", data.completion_only_loss, kAny,
      "Of rows with prompt and completion, train on the completion only");
  key("assistant_only_loss", data.assistant_only_loss, kAny,
      "Of conversations, train on the assistant's turns only (alpaca rows are conversations)");
  key("shuffle", data.shuffle, kAny, "New order of the rows each epoch");
}

void visit_keys(Is<TrainingSection> auto& training, auto&& key) {
  key("output_dir", training.output_dir, Rule{.required = true, .may_change = true},
      "Directory of the run; empty, new, or of this very run");
  key("num_train_epochs", training.num_train_epochs,
      Rule{.min = 0, .open_min = true, .may_change = true}, "Passes over the training data");
  key("max_steps", training.max_steps, kCadence, "Optimiser steps; 0: as num_train_epochs gives");
  key("per_device_train_batch_size", training.per_device_train_batch_size, kPositiveCount,
      "Rows per micro-batch, or packs with packing");
  key("per_device_eval_batch_size", training.per_device_eval_batch_size, kPositiveCount,
      "The same for evaluation");
  key("gradient_accumulation_steps", training.gradient_accumulation_steps, kPositiveCount,
      "Micro-batches per optimiser step");
  key("learning_rate", training.learning_rate, Rule{.min = 0}, "Peak learning rate");
  key("lr_scheduler_type", training.lr_scheduler_type,
      Rule{.choices = {"linear", "cosine", "constant", "constant_with_warmup", "wsd"},
           .not_yet = {"polynomial", "cosine_with_restarts", "inverse_sqrt"}},
      "Course of the learning rate; `wsd`: warm-up, stable, then down in the last tenth of the "
      "steps by 1 - sqrt");
  key("min_lr_ratio", training.min_lr_ratio, Rule{.min = 0, .max = 1},
      "What part of learning_rate `linear`, `cosine` and `wsd` end at");
  key("warmup_steps", training.warmup_steps, Rule{.min = 0},
      "Steps of warm-up; below 1: a fraction of all steps");
  key("weight_decay", training.weight_decay, Rule{.min = 0}, "AdamW's weight decay");
  key("adam_beta1", training.adam_beta1, Rule{.min = 0, .max = 1, .open_max = true},
      "AdamW's first decay rate");
  key("adam_beta2", training.adam_beta2, Rule{.min = 0, .max = 1, .open_max = true},
      "AdamW's second decay rate");
  key("adam_epsilon", training.adam_epsilon, Rule{.min = 0, .open_min = true}, "AdamW's epsilon");
  key("max_grad_norm", training.max_grad_norm, Rule{.min = 0},
      "Gradients are scaled down to this norm; 0: never");
  key("gradient_checkpointing", training.gradient_checkpointing,
      Rule{.choices = {"auto", "true", "false"}, .may_change = true},
      "Compute each layer again in the backward instead of keeping what is inside: a third more "
      "time, a fraction of the memory; `auto`: when the largest micro-batch would take more than "
      "80% of what is free");
  key("logging_steps", training.logging_steps, Rule{.min = 1, .may_change = true},
      "Steps between rows of metrics.jsonl");
  key("eval_strategy", training.eval_strategy,
      Rule{.choices = {"no", "steps", "epoch"}, .may_change = true},
      "When to evaluate: never, every eval_steps, or after each epoch; and at the end");
  key("eval_steps", training.eval_steps, kCadence, "Steps between evaluations; 0: at the end only");
  key("save_strategy", training.save_strategy,
      Rule{.choices = {"no", "steps", "epoch"}, .may_change = true},
      "When to write a checkpoint, likewise; an interrupted run always writes one");
  key("save_steps", training.save_steps, kCadence, "Steps between checkpoints; 0: at the end only");
  key("save_total_limit", training.save_total_limit, Rule{.min = 1, .may_change = true},
      "Checkpoints to keep, the best one of load_best_model_at_end beside them");
  key("metric_for_best_model", training.metric_for_best_model, Rule{.choices = {"eval_loss"}},
      "What the best checkpoint is best in");
  key("load_best_model_at_end", training.load_best_model_at_end, kAny,
      "Write a checkpoint at each best evaluation, and take the adapter of the best one at the "
      "end");
  key("early_stopping_patience", training.early_stopping_patience, kCadence,
      "Stop after so many evaluations in a row without a better one; 0: never");
  key("neftune_noise_alpha", training.neftune_noise_alpha, Rule{.min = 0},
      "NEFTune: uniform noise on the embeddings, of size alpha / sqrt(length x width); 0: none");
  key("seed", training.seed, kCount, "Seed of data order, dropout and initial weights");
  key("num_threads", training.num_threads, Rule{.min = 0, .max = 4096},
      "CPU threads; 0: all cores, shared among a machine's processes");
  key("ddp_timeout", training.ddp_timeout, Rule{.min = 1, .max = 1e6, .may_change = true},
      "Seconds that one of several processes waits for the others before it gives up");
  key("report_to", training.report_to,
      Rule{.choices = {"jsonl", "tensorboard", "html"}, .any_of = true, .may_change = true},
      "What a run writes of itself: metrics.jsonl, TensorBoard's event files, report.html (drawn "
      "from metrics.jsonl, with ten answers before and after training)");
}

void visit_keys(Is<BenchmarkTask> auto& task, auto&& key) {
  key("name", task.name, Rule{.required = true}, "`mmlu`, `arc_easy`, ... (docs/evaluation.md)");
  key("data", task.data, Rule{.required = true}, "Its file or directory");
  key("shots", task.shots, kAny, "File of the shots; empty: the directory's own");
  key("num_fewshot", task.num_fewshot, Rule{.min = 0, .max = 1000},
      "Shots before each question; none: the task's own number");
  key("limit", task.limit, kCount, "First questions of each task; 0: all");
  key("protocol", task.protocol, Rule{.choices = protocol_names()}, "How MMLU is asked and scored");
}

void visit_keys(Is<EvaluationSection> auto& evaluation, auto&& key) {
  key("tasks", evaluation.tasks, Rule{.may_change = true},
      "Benchmarks to run; results in `evaluation/` of the output directory and in report.html");
  key("before", evaluation.before, Rule{.may_change = true},
      "Run them on the base model, before training");
  key("after", evaluation.after, Rule{.may_change = true}, "Run them on the trained model");
  key("branches", evaluation.branches,
      Rule{.choices = branch_choices(), .any_of = true, .may_change = true},
      "Branches of the trained model that are asked, each by itself");
}

void visit_keys(Is<Config> auto& config, auto&& key) {
  key("model", config.model, kAny, "The base model");
  key("liza", config.liza, kAny,
      "The linear-attention memory; leave out (or `none`) for plain LoRA");
  key("lora", config.lora, kAny, "The low-rank adapter");
  key("data", config.data, kAny, "What to train and evaluate on");
  key("training", config.training, kAny, "How to train");
  key("evaluation", config.evaluation, kAny, "Benchmarks before and after training");
}

template <class T>
concept Section = Is<T, ModelSection> || Is<T, MagConfig> || Is<T, LizaConfig> ||
    Is<T, LoraConfig> || Is<T, DataFile> || Is<T, DataColumns> || Is<T, DataSection> ||
    Is<T, TrainingSection> || Is<T, BenchmarkTask> || Is<T, EvaluationSection> || Is<T, Config>;

/// "{path, format, weight, limit}".
template <Section Item>
std::string keys_of() {
  std::string names;
  const Item item;
  visit_keys(item, [&names](const char* name, const auto&, const Rule&, const char*) {
    names += (names.empty() ? "{" : ", ") + std::string(name);
  });
  return names + "}";
}

}  // namespace tptt
