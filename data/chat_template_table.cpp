#include "data/chat_template.h"

namespace tptt {
namespace {

// What the templates of a family share; a line of the table adds what is its own.
ChatTemplate chatml(ChatTemplate t) {
  t.markers.insert(t.markers.end(), {"<|im_start|>", "<|im_end|>"});
  t.system = {"<|im_start|>system\n", "<|im_end|>\n"};
  t.user = {"<|im_start|>user\n", "<|im_end|>\n"};
  t.assistant = {"<|im_start|>assistant\n", "", "<|im_end|>", "\n"};
  return t;
}

ChatTemplate llama3(ChatTemplate t) {
  t.markers.insert(t.markers.end(), {"<|start_header_id|>", "| trim + '<|eot_id|>'", "bos_token"});
  t.bos = "<|begin_of_text|>";
  t.start = "{bos}";
  if (!*t.system.before) t.system.before = "<|start_header_id|>system<|end_header_id|>\n\n";
  t.system.after = "<|eot_id|>";
  t.user = {"<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>", true};
  t.assistant = {"<|start_header_id|>assistant<|end_header_id|>\n\n", "", "<|eot_id|>"};
  t.system.trim = t.assistant.trim = true;
  return t;
}

ChatTemplate inst(ChatTemplate t) {
  t.markers.insert(t.markers.end(), {"[INST]", "[/INST]", "bos_token", "eos_token"});
  t.bos = "<s>";
  t.alternates = true;
  return t;
}

ChatTemplate gemma(ChatTemplate t) {
  t.markers.insert(t.markers.end(), {"<start_of_turn>", "<end_of_turn>", "| trim", "bos_token"});
  t.bos = "<bos>";
  t.start = "{bos}";
  t.user = {"<start_of_turn>user\n", "<end_of_turn>\n", true};
  t.assistant = {"<start_of_turn>model\n", "", "<end_of_turn>", "\n"};
  t.assistant.trim = t.alternates = true;
  return t;
}

ChatTemplate phi(ChatTemplate t) {
  t.markers.insert(t.markers.end(),
                   {"<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "eos_token"});
  t.system = {"<|system|>\n", "<|end|>\n"};
  t.user = {"<|user|>\n", "<|end|>\n"};
  t.assistant = {"<|assistant|>\n", "", "<|end|>", "\n"};
  t.finish = "{eos}";
  return t;
}

ChatTemplate tulu(ChatTemplate t) {
  t.markers.insert(t.markers.end(),
                   {"<|system|>", "<|user|>", "<|assistant|>", "eos_token", "not loop.last"});
  t.system = {"<|system|>\n", "\n"};
  t.user = {"<|user|>\n", "\n"};
  t.assistant = {"<|assistant|>\n", "", "{eos}"};
  t.assistant.between = "\n";
  return t;
}

ChatTemplate granite(ChatTemplate t) {
  t.markers.insert(t.markers.end(), {"<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"});
  t.system = {"<|start_of_role|>system<|end_of_role|>", "<|end_of_text|>\n"};
  t.user = {"<|start_of_role|>user<|end_of_role|>", "<|end_of_text|>\n"};
  t.assistant = {"<|start_of_role|>assistant<|end_of_role|>", "", "<|end_of_text|>", "\n"};
  return t;
}

constexpr const char* kSmolLm2 =
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
constexpr const char* kQwen25 =
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
constexpr const char* kGranite4 =
    "You are a helpful assistant. Please ensure responses are professional, accurate, and safe.";
// The published date where none is given: no run may depend on the day it is made.
constexpr const char* kLlama31System =
    "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
    "Today Date: 26 Jul 2024\n\n";

const std::vector<ChatTemplate> kTable = {
    chatml({.name = "chatml",
            .markers = {"message['role']", "message['content']"},
            .foreign = {"You are", "!= 'system'", "tool", "<think>", "<|im_sep|>", "bos_token"}}),
    chatml({.name = "smollm2",
            .markers = {kSmolLm2},
            .foreign = {"Reasoning Mode", "tool"},
            .default_system = kSmolLm2}),
    chatml({.name = "smollm3",
            .markers = {kSmolLm2, "Reasoning Mode: ", "/no_think"},
            .rewrite = rewrite_smollm3,
            .prompt_lead = lead_smollm3}),
    chatml({.name = "qwen2",
            .markers = {"You are a helpful assistant.<|im_end|>"},
            .foreign = {"Alibaba", "tool", "<think>"},
            .default_system = "You are a helpful assistant."}),
    chatml({.name = "qwen2.5",
            .markers = {kQwen25},
            .foreign = {"<think>"},
            .default_system = kQwen25}),
    chatml({.name = "qwen3",
            .markers = {"last_query_index", "enable_thinking is false"},
            .foreign = {"<function=", "bos_token"},
            .rewrite = rewrite_qwen3}),
    chatml({.name = "qwen3-nothink",
            .by_name_only = true,
            .rewrite = rewrite_qwen3,
            .prompt_lead = lead_qwen3_nothink}),
    inst({.name = "llama2",
          .markers = {"<<SYS>>", "bos_token + '[INST] '", "content.strip()"},
          .foreign = {"true == "},
          .system = {"<<SYS>>\n", "\n<</SYS>>\n\n"},
          .user = {"{bos}[INST] ", " [/INST]", true},
          .assistant = {.lead = " ", .end = " {eos}", .trim = true},
          .system_place = SystemPlace::first_user,
          .trims_folded = true}),
    llama3({.name = "llama3", .foreign = {"Date", "tool"}}),
    llama3({.name = "llama3.1",
            .markers = {"Cutting Knowledge Date: December 2023", "Today Date: ", "date_string"},
            .system = {kLlama31System},
            .default_system = ""}),
    inst({.name = "mistral-v0",
          .markers = {"'[INST] ' + message['content'] + ' [/INST]'"},
          .foreign = {"<<SYS>>", "system_message", "eos_token + ' '"},
          .start = "{bos}",
          .user = {"[INST] ", " [/INST]"},
          .assistant = {.end = "{eos}"},
          .system_place = SystemPlace::refused}),
    inst({.name = "mistral-v1",
          .markers = {" [INST] ", " [/INST]", "system_message"},
          .foreign = {"<<SYS>>", "tool"},
          .start = "{bos}",
          .system = {"", "\n\n"},
          .user = {" [INST] ", " [/INST]"},
          .assistant = {.lead = " ", .end = "{eos}"},
          .system_place = SystemPlace::first_user}),
    inst({.name = "mistral-v3",
          .markers = {"\"[INST] \" + system_message", "|trim + eos_token", "[AVAILABLE_TOOLS]"},
          .start = "{bos}",
          .system = {"", "\n\n"},
          .user = {"[INST] ", "[/INST]"},
          .assistant = {.lead = " ", .end = "{eos}", .trim = true},
          .system_place = SystemPlace::last_user}),
    inst({.name = "mistral-v3-tekken",
          .markers = {"\"[INST]\" + system_message", "[AVAILABLE_TOOLS]"},
          .foreign = {"[SYSTEM_PROMPT]"},
          .start = "{bos}",
          .system = {"", "\n\n"},
          .user = {"[INST]", "[/INST]"},
          .assistant = {.end = "{eos}"},
          .system_place = SystemPlace::last_user}),
    gemma({.name = "gemma2",
           .markers = {"System role not supported"},
           .system_place = SystemPlace::refused}),
    gemma({.name = "gemma3",
           .markers = {"first_user_prefix"},
           .foreign = {"tool"},
           .system = {"", "\n\n"},
           .system_place = SystemPlace::first_user}),
    phi({.name = "phi3",
         .markers = {"message['role'] == 'system' %}", "message['role'] == 'user'"},
         .foreign = {"tool", "bos_token"}}),
    phi({.name = "phi3.5",
         .markers = {"message['role'] == 'system' and message['content'] %}"},
         .foreign = {"tool", "bos_token"},
         .skips_empty_system = true}),
    {.name = "phi4-mini",
     .markers = {"'<|' + message['role'] + '|>' + message['content']", "<|tool|>", "eos_token"},
     .finish = "{eos}",
     .system = {"<|system|>", "<|end|>"},
     .user = {"<|user|>", "<|end|>"},
     .assistant = {"<|assistant|>", "", "<|end|>"}},
    tulu({.name = "tulu", .foreign = {"bos_token", "tool"}}),
    tulu({.name = "olmo2",
          .markers = {"bos_token"},
          .foreign = {"tool"},
          .bos = "<|endoftext|>",
          .start = "{bos}"}),
    {.name = "zephyr",
     .markers = {"<|system|>", "<|user|>", "<|assistant|>", "message['content'] + eos_token"},
     .foreign = {"not loop.last", "<|end|>", "bos_token", "tool"},
     .system = {"<|system|>\n", "{eos}\n"},
     .user = {"<|user|>\n", "{eos}\n"},
     .assistant = {"<|assistant|>\n", "", "{eos}", "\n"}},
    granite({.name = "granite", .foreign = {"system_message"}}),
    granite({.name = "granite3.3",
             .markers = {"strftime_now('%B %d, %Y')", "developed by IBM"},
             .needs_system = "its published default text holds the day's date"}),
    granite({.name = "granite4",
             .markers = {kGranite4, "tools_system_message"},
             .skips_empty_system = true,
             .default_system = kGranite4}),
    granite({.name = "granite4.1",
             .markers = {"tools_system_message"},
             .foreign = {kGranite4},
             .skips_empty_system = true}),
    {.name = "alpaca",
     .by_name_only = true,
     .system = {"", "\n\n"},
     .user = {"### Instruction:\n", "\n\n"},
     .assistant = {.before = "### Response:", .end = "{eos}", .between = "\n\n"},
     .alternates = true,
     .input_before = "\n\n### Input:\n",
     .rewrite = rewrite_alpaca},
    {.name = "plain",
     .by_name_only = true,
     .system = {"", "\n"},
     .user = {"", "\n"},
     .assistant = {.end = "{eos}", .between = "\n"}},
};

}  // namespace

const std::vector<ChatTemplate>& chat_template_table() {
  return kTable;
}

}  // namespace tptt
