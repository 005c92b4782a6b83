#pragma once

#include <concepts>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

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

std::vector<std::string> chat_template_choices();
bool is_cuda_device(const std::string& text);

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
}

void visit_keys(Is<MagConfig> auto& mag, auto&& key) {
  key("mode", mag.mode, Rule{.choices = {"learned", "gradual", "constant", "cyclic", "switch"}},
      "How the memory's weight is set: one learned gate per head, a ramp, a constant, a list gone "
      "through step by step, or a constant in every other step");
  key("mag_weight", mag.mag_weight, kWeight,
      "`constant`, `switch`: the weight; `learned`: where the gates start; `cyclic`: the weight "
      "after "
      "training");
  key("initial_weight", mag.initial_weight, kWeight, "`gradual`: weight at the first step");
  key("final_weight", mag.final_weight, kWeight, "`gradual`: weight from transition_step on");
  key("transition_step", mag.transition_step, kPositiveCount, "`gradual`: length of the ramp");
  key("weight_list", mag.weight_list, kWeight, "`cyclic`: the weights, one a step");
  key("gate_lr_multiplier", mag.gate_lr_multiplier, Rule{.min = 0},
      "`learned`: the gates' learning rate over training.learning_rate");
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
  key("branch_scale", liza.branch_scale, Rule{.choices = {"match", "none"}},
      "`match`: the memory's output gets the size of the softmax branch's, head by head");
  key("max_self_attn_length", liza.max_self_attn_length, Rule{.min = 1, .max = 1 << 30},
      "Softmax attention sees this many last tokens and the sinks; none: all tokens");
  key("num_sink_tokens", liza.num_sink_tokens, Rule{.min = 0, .max = 1 << 30},
      "First tokens of a sequence that a window still sees");
  key("target_modules", liza.target_modules, Rule{.choices = {"all"}},
      "Attentions that get a memory, by name or what follows a dot (`self_attn`, "
      "`layers.3.self_attn`), or `all`");
  key("mag", liza.mag, kAny, "Memory as Gate");
}

void visit_keys(Is<LoraConfig> auto& lora, auto&& key) {
  key("r", lora.r, Rule{.min = 1, .max = 65536}, "Rank");
  key("lora_alpha", lora.lora_alpha, Rule{.min = 0, .open_min = true},
      "Updates are scaled by lora_alpha / r");
  key("lora_dropout", lora.lora_dropout, Rule{.min = 0, .max = 1, .open_max = true},
      "Dropout before the low-rank update");
  key("target_modules", lora.target_modules, Rule{.choices = {"all-linear"}},
      "Names of Linears (whole, or what follows a dot), or `all-linear`: every one but the output "
      "head");
}

void visit_keys(Is<DataFile> auto& file, auto&& key) {
  key("path", file.path, Rule{.required = true},
      "JSONL or JSON file, relative to the working directory");
  key("format", file.format,
      Rule{.choices = {"auto", "alpaca", "messages", "prompt-completion"},
           .not_yet = {"sharegpt", "text"}},
      "Row format");
  key("limit", file.limit, kCount, "Rows to read; 0: all");
}

void visit_keys(Is<DataSection> auto& data, auto&& key) {
  key("train", data.train, Rule{.required = true}, "Training files");
  key("eval", data.eval, kAny, "Held-out files, scored by loss");
  key("chat_template", data.chat_template, Rule{.choices = chat_template_choices()},
      "How a conversation becomes text; `auto`: the model's own");
  key("max_length", data.max_length, Rule{.min = 2, .max = 1 << 20},
      "Tokens per example, or per pack");
  key("excess_length_strategy", data.excess_length_strategy,
      Rule{.choices = {"truncate", "drop", "raise"}}, "What to do with longer examples");
  key("packing", data.packing, kAny, "Put several examples into each max_length tokens");
  key("completion_only_loss", data.completion_only_loss, kAny, "Train on the answers only");
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
      Rule{.choices = {"linear", "cosine", "constant", "constant_with_warmup"},
           .not_yet = {"wsd", "polynomial", "cosine_with_restarts", "inverse_sqrt"}},
      "Course of the learning rate");
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
      "half of what is free");
  key("logging_steps", training.logging_steps, Rule{.min = 1, .may_change = true},
      "Steps between rows of metrics.jsonl");
  key("eval_steps", training.eval_steps, kCadence, "Steps between evaluations; 0: at the end only");
  key("save_steps", training.save_steps, kCadence, "Steps between checkpoints; 0: at the end only");
  key("save_total_limit", training.save_total_limit, Rule{.min = 1, .may_change = true},
      "Checkpoints to keep");
  key("seed", training.seed, kCount, "Seed of data order, dropout and initial weights");
  key("num_threads", training.num_threads, Rule{.min = 0, .max = 4096},
      "CPU threads; 0: all cores");
  key("report_to", training.report_to,
      Rule{.choices = {"jsonl", "tensorboard", "html"}, .any_of = true, .may_change = true},
      "What a run writes of itself: metrics.jsonl, TensorBoard's event files, report.html (drawn "
      "from metrics.jsonl, with ten answers before and after training)");
}

void visit_keys(Is<Config> auto& config, auto&& key) {
  key("model", config.model, kAny, "The base model");
  key("liza", config.liza, kAny,
      "The linear-attention memory; leave out (or `none`) for plain LoRA");
  key("lora", config.lora, kAny, "The low-rank adapter");
  key("data", config.data, kAny, "What to train and evaluate on");
  key("training", config.training, kAny, "How to train");
}

template <class T>
concept Section =
    Is<T, ModelSection> || Is<T, MagConfig> || Is<T, LizaConfig> || Is<T, LoraConfig> ||
    Is<T, DataFile> || Is<T, DataSection> || Is<T, TrainingSection> || Is<T, Config>;

}  // namespace tptt
