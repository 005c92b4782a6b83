#include "data/chat_templates.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "models/formats/error.h"

using namespace tptt;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

/// Knows its own template's text, and of tokens those in `tokens`.
class TemplateOnly : public Tokenizer {
 public:
  explicit TemplateOnly(std::string text,
                        std::string tokens = "<s> <bos> <|begin_of_text|> <|endoftext|>")
      : text_(std::move(text)), tokens_(std::move(tokens)) {}
  TokenIds encode(std::string_view, bool, std::vector<size_t>*) const override { return {}; }
  std::vector<DecoderStep> decoder() const override { return {}; }
  std::string token(int32_t) const override { return ""; }
  std::string token_bytes(int32_t) const override { return ""; }
  bool is_special(int32_t) const override { return false; }
  int64_t vocab_size() const override { return 0; }
  std::optional<int32_t> token_id(std::string_view token) const override {
    if (tokens_.find(token) == std::string::npos) return {};
    return 1;
  }
  std::string chat_template_text() const override { return text_; }

 private:
  std::string text_, tokens_;
};

std::string resolved(const std::string& name, const TemplateOnly& tokenizer) {
  try {
    return resolve_chat_template(name, tokenizer);
  } catch (const UsageError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("a model's own template is recognised by its markers") {
  const std::string im = "<|im_start|> <|im_end|> message['role'] message['content'] ";
  const std::string inst = "bos_token eos_token [INST],[/INST] ";
  const std::string tags = "<|system|> <|user|> <|assistant|> message['content'] + eos_token ";
  const std::string header = "bos_token <|start_header_id|> | trim + '<|eot_id|>' ";
  const std::string role = "<|start_of_role|> <|end_of_role|> <|end_of_text|> ";
  const std::string qwen = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
  const std::string smol = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
  const auto [text, name] = GENERATE_COPY(table<std::string, std::string>({
      {im, "chatml"},
      {im + "!= 'system' " + smol, "smollm2"},
      {im + smol + " Reasoning Mode: /no_think", "smollm3"},
      {im + "You are a helpful assistant.<|im_end|>", "qwen2"},
      {im + qwen + "<|im_end|> tool", "qwen2.5"},
      {im + "last_query_index <think> enable_thinking is false tool", "qwen3"},
      {im + "You are Dolphin", "not recognised"},
      {im + "<|im_sep|>", "not recognised"},
      {header, "llama3"},
      {header + "Cutting Knowledge Date: December 2023 Today Date:  date_string tools", "llama3.1"},
      {header + "Today's Date tools", "not recognised"},
      {inst + "<<SYS>> bos_token + '[INST] ' content.strip()", "llama2"},
      {inst + "<<SYS>> content.strip() own", "not recognised"},
      {inst + "'[INST] ' + message['content'] + ' [/INST]'", "mistral-v0"},
      {inst + "' [INST] ' + system_message ' [/INST]'", "mistral-v1"},
      {inst + "\"[INST] \" + system_message |trim + eos_token [AVAILABLE_TOOLS]", "mistral-v3"},
      {inst + "\"[INST]\" + system_message [AVAILABLE_TOOLS]", "mistral-v3-tekken"},
      {"bos_token <start_of_turn> <end_of_turn> | trim System role not supported", "gemma2"},
      {"bos_token <start_of_turn> <end_of_turn> | trim first_user_prefix", "gemma3"},
      {tags + "<|end|> message['role'] == 'system' %} message['role'] == 'user'", "phi3"},
      {tags + "<|end|> message['role'] == 'system' and message['content'] %}", "phi3.5"},
      {"'<|' + message['role'] + '|>' + message['content'] <|tool|> eos_token", "phi4-mini"},
      {tags + "if not loop.last %}{{", "tulu"},
      {tags + "bos_token if not loop.last %}{{", "olmo2"},
      {tags, "zephyr"},
      {role, "granite"},
      {role + "system_message strftime_now('%B %d, %Y') developed by IBM", "granite3.3"},
      {role + "tools_system_message system_message You are a helpful assistant. Please ensure "
              "responses are professional, accurate, and safe.",
       "granite4"},
      {role + "tools_system_message system_message", "granite4.1"},
      {"", "missing"},
      {"{{ prompt }}", "not recognised"},
  }));
  INFO(text);
  const std::string got = resolved("auto", TemplateOnly(text));
  if (name == "missing" || name == "not recognised") {
    CHECK_THAT(got, Contains("is " + name) && Contains("chatml, smollm2"));
  } else {
    CHECK(got == name);
  }
}

TEST_CASE("a mark of another template forbids recognition") {
  const std::string im = "<|im_start|> <|im_end|> ", inst = "bos_token eos_token [INST],[/INST] ";
  const std::string turn = "bos_token <start_of_turn> <end_of_turn> | trim first_user_prefix ";
  const std::string tags = "<|system|> <|user|> <|assistant|> message['content'] + eos_token ";
  const std::string phi = tags + "<|end|> message['role'] == 'system' ";
  const std::string smol = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
  const std::string qwen = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
  struct Case {
    std::string own;
    std::vector<const char*> marks;
  };
  const auto [own, marks] = GENERATE_COPY(values<Case>({
      {im + "message['role'] message['content'] ",
       {"You are", "!= 'system'", "tool", "<think>", "<|im_sep|>", "bos_token"}},
      {im + smol, {"Reasoning Mode", "tool"}},
      {im + "You are a helpful assistant.<|im_end|>", {"Alibaba", "tool", "<think>"}},
      {im + qwen, {"<think>"}},
      {im + "last_query_index enable_thinking is false ", {"<function=", "bos_token"}},
      {inst + "<<SYS>> bos_token + '[INST] ' content.strip() ", {"true == "}},
      {"bos_token <|start_header_id|> | trim + '<|eot_id|>' ", {"Date", "tool"}},
      {inst + "'[INST] ' + message['content'] + ' [/INST]' ",
       {"<<SYS>>", "system_message", "eos_token + ' '"}},
      {inst + "' [INST] ' + system_message ' [/INST]' ", {"<<SYS>>", "tool"}},
      {inst + "\"[INST]\" + system_message [AVAILABLE_TOOLS] ", {"[SYSTEM_PROMPT]"}},
      {turn, {"tool"}},
      {phi + "%} message['role'] == 'system' %} message['role'] == 'user' ", {"tool", "bos_token"}},
      {phi + "and message['content'] %} ", {"tool", "bos_token"}},
      {tags + "if not loop.last ", {"tool"}},
      {tags + "if not loop.last bos_token ", {"tool"}},
      {tags, {"<|end|>", "bos_token", "tool"}},
      {"<|start_of_role|> <|end_of_role|> <|end_of_text|> ", {"system_message"}},
  }));
  INFO(own);
  CHECK_THAT(resolved("auto", TemplateOnly(own)), !Contains("not recognised"));
  for (const char* mark : marks)
    CHECK_THAT(resolved("auto", TemplateOnly(own + mark)), Contains("not recognised"));
}

TEST_CASE("the families' own texts are recognised, others are not", "[golden]") {
  const char* dir = std::getenv("TPTT_TEMPLATE_DIR");
  if (!dir) return;  // their texts are not in this repository
  size_t known = 0;
  for (const fs::directory_entry& file : fs::directory_iterator(dir)) {
    const std::string stem = file.path().stem().string();
    const std::string name = stem.substr(0, stem.find("--"));
    std::ifstream in(file.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    INFO(stem);
    const std::string got = resolved("auto", TemplateOnly(text));
    if (name == "none") {
      CHECK_THAT(got, Contains("not recognised"));
    } else {
      CHECK(got == name);
      ++known;
    }
  }
  CHECK(known >= 30);
}

TEST_CASE("names that do not fit are refused with those that are known") {
  CHECK(resolved("zephyr", TemplateOnly("")) == "zephyr");
  CHECK_THAT(resolved("vicuna", TemplateOnly("")),
             Contains("'vicuna' is not known") && Contains("auto") && Contains("chatml, smollm2"));
  CHECK(resolved("llama2", TemplateOnly("", "<s>")) == "llama2");
  CHECK_THAT(resolved("llama2", TemplateOnly("", "<bos>")), Contains("llama2") && Contains("<s>"));
}
