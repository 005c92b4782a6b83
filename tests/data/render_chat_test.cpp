#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "data/chat_templates.h"
#include "models/formats/error.h"
#include "models/formats/json.h"

using namespace tptt;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

std::string joined(const std::vector<TextPiece>& pieces) {
  std::string text;
  for (const TextPiece& piece : pieces) text += piece.text;
  return text;
}

// What trains stands between « and ».
std::string marked(const std::vector<TextPiece>& pieces) {
  std::string text;
  for (const TextPiece& piece : pieces) text += piece.train ? "«" + piece.text + "»" : piece.text;
  return text;
}

std::string refusal(const std::string& name, const std::vector<Message>& messages,
                    const std::string& eos = "</s>") {
  try {
    render_chat(name, messages, eos);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

fs::path golden_dir() {
  const char* made = std::getenv("TPTT_GOLDEN_DIR");
  return fs::path(made ? made : TPTT_SOURCE_DIR "/tests/golden") / "chat";
}

std::vector<std::vector<Message>> golden_conversations() {
  std::vector<std::vector<Message>> conversations;
  for (const Json& turns : read_json_file((golden_dir() / "conversations.json").string())) {
    conversations.emplace_back();
    for (const Json& m : turns)
      conversations.back().push_back({m["role"], m["content"], m.value("input", "")});
  }
  return conversations;
}

const std::vector<Message> kNoSystem = {{"user", "Q"}, {"assistant", "A"}};
const std::vector<Message> kTwoTurns = {
    {"system", "S"}, {"user", " Q "}, {"assistant", " A\n"}, {"user", "R"}, {"assistant", "B"}};

}  // namespace

TEST_CASE("conversations are rendered as Jinja renders the family's template", "[golden]") {
  const auto conversations = golden_conversations();
  REQUIRE(conversations.size() >= 30);
  for (const std::string& name : chat_template_names()) {
    const Json golden = read_json_file((golden_dir() / (name + ".json")).string());
    const std::string eos = golden["eos"];
    REQUIRE(golden["rows"].size() == conversations.size());
    size_t rendered = 0;
    for (size_t i = 0; i < conversations.size(); ++i) {
      const Json& row = golden["rows"][i];
      INFO(name << " " << i << " " << row.dump());
      if (row.is_null()) {
        CHECK_THAT(refusal(name, conversations[i], eos), Contains(name) && Contains("expected"));
        continue;
      }
      ++rendered;
      const std::string plain = row[0];
      CHECK(joined(render_chat(name, conversations[i], eos)) == plain);
      CHECK(joined(render_chat(name, conversations[i], eos, true)) ==
            plain.substr(0, row[1].get<size_t>()) + row[2].get<std::string>());
    }
    CHECK(rendered >= 15);
  }
}

TEST_CASE("an answer trains from where the generation prompt ends", "[golden]") {
  for (const std::string& name : chat_template_names()) {
    for (const auto& conversation : golden_conversations()) {
      if (conversation.back().role != "assistant" || !refusal(name, conversation).empty()) continue;
      const std::vector<Message> asked(conversation.begin(), conversation.end() - 1);
      if (asked.empty() || asked.back().role != "user") continue;
      INFO(name << " " << conversation.back().content);
      std::string before;  // all that stands before the last trained piece
      const auto pieces = render_chat(name, conversation, "</s>");
      size_t last = pieces.size();
      while (!pieces[--last].train) continue;
      for (size_t i = 0; i < last; ++i) before += pieces[i].text;
      const std::string prompt = joined(render_chat(name, asked, "</s>", true));
      // The prompt of qwen3-nothink leaves no room for the reasoning of an answer.
      const bool thinks = conversation.back().content.find("</think>") != std::string::npos;
      if (!thinks || name != "qwen3-nothink") CHECK(before == prompt);
    }
  }
}

TEST_CASE("what the assistant writes trains, its end token included") {
  struct Expected {
    const char *name, *no_system, *two_turns;
  };
  const auto expected = GENERATE(values<Expected>({
      {"chatml", "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n«A<|im_end|>»\n",
       "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n Q <|im_end|>\n<|im_start|>assistant\n"
       "« A\n<|im_end|>»\n<|im_start|>user\nR<|im_end|>\n<|im_start|>assistant\n«B<|im_end|>»\n"},
      {"smollm2",
       "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
       "<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n«A<|im_end|>»\n",
       "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n Q <|im_end|>\n<|im_start|>assistant\n"
       "« A\n<|im_end|>»\n<|im_start|>user\nR<|im_end|>\n<|im_start|>assistant\n«B<|im_end|>»\n"},
      {"smollm3", nullptr,
       "<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\nReasoning Mode: /think"
       "\n\n## Custom Instructions\n\nS\n\n<|im_end|>\n<|im_start|>user\n Q <|im_end|>\n"
       "<|im_start|>assistant\n« A\n<|im_end|>»\n<|im_start|>user\nR<|im_end|>\n"
       "<|im_start|>assistant\n«B<|im_end|>»\n"},
      {"qwen2",
       "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n"
       "<|im_start|>assistant\n«A<|im_end|>»\n",
       nullptr},
      {"qwen2.5",
       "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant."
       "<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n«A<|im_end|>»\n",
       nullptr},
      {"qwen3",
       "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n"
       "«<think>\n\n</think>\n\nA<|im_end|>»\n",
       "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n Q <|im_end|>\n<|im_start|>assistant\n"
       "« A\n<|im_end|>»\n<|im_start|>user\nR<|im_end|>\n<|im_start|>assistant\n"
       "«<think>\n\n</think>\n\nB<|im_end|>»\n"},
      {"qwen3-nothink",
       "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
       "«A<|im_end|>»\n",
       nullptr},
      {"llama2", "<s>[INST] Q [/INST]« A </s>»",
       "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\n Q [/INST]« A </s>»<s>[INST] R [/INST]« B </s>»"},
      {"llama3",
       "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nQ<|eot_id|>"
       "<|start_header_id|>assistant<|end_header_id|>\n\n«A<|eot_id|>»",
       "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
       "<|start_header_id|>user<|end_header_id|>\n\nQ<|eot_id|>"
       "<|start_header_id|>assistant<|end_header_id|>\n\n«A<|eot_id|>»"
       "<|start_header_id|>user<|end_header_id|>\n\nR<|eot_id|>"
       "<|start_header_id|>assistant<|end_header_id|>\n\n«B<|eot_id|>»"},
      {"llama3.1",
       "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
       "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n<|eot_id|>"
       "<|start_header_id|>user<|end_header_id|>\n\nQ<|eot_id|>"
       "<|start_header_id|>assistant<|end_header_id|>\n\n«A<|eot_id|>»",
       nullptr},
      {"mistral-v0", "<s>[INST] Q [/INST]«A</s>»", nullptr},
      {"mistral-v1", "<s> [INST] Q [/INST]« A</s>»",
       "<s> [INST] S\n\n Q  [/INST]«  A\n</s>» [INST] R [/INST]« B</s>»"},
      {"mistral-v3", "<s>[INST] Q[/INST]« A</s>»",
       "<s>[INST]  Q [/INST]« A</s>»[INST] S\n\nR[/INST]« B</s>»"},
      {"mistral-v3-tekken", "<s>[INST]Q[/INST]«A</s>»",
       "<s>[INST] Q [/INST]« A\n</s>»[INST]S\n\nR[/INST]«B</s>»"},
      {"gemma2",
       "<bos><start_of_turn>user\nQ<end_of_turn>\n<start_of_turn>model\n«A<end_of_turn>»\n",
       nullptr},
      {"gemma3",
       "<bos><start_of_turn>user\nQ<end_of_turn>\n<start_of_turn>model\n«A<end_of_turn>»\n",
       "<bos><start_of_turn>user\nS\n\nQ<end_of_turn>\n<start_of_turn>model\n«A<end_of_turn>»\n"
       "<start_of_turn>user\nR<end_of_turn>\n<start_of_turn>model\n«B<end_of_turn>»\n"},
      {"phi3", "<|user|>\nQ<|end|>\n<|assistant|>\n«A<|end|>»\n</s>",
       "<|system|>\nS<|end|>\n<|user|>\n Q <|end|>\n<|assistant|>\n« A\n<|end|>»\n"
       "<|user|>\nR<|end|>\n<|assistant|>\n«B<|end|>»\n</s>"},
      {"phi3.5", "<|user|>\nQ<|end|>\n<|assistant|>\n«A<|end|>»\n</s>", nullptr},
      {"phi4-mini", "<|user|>Q<|end|><|assistant|>«A<|end|>»</s>",
       "<|system|>S<|end|><|user|> Q <|end|><|assistant|>« A\n<|end|>»"
       "<|user|>R<|end|><|assistant|>«B<|end|>»</s>"},
      {"tulu", "<|user|>\nQ\n<|assistant|>\n«A</s>»",
       "<|system|>\nS\n<|user|>\n Q \n<|assistant|>\n« A\n</s>»\n<|user|>\nR\n<|assistant|>\n"
       "«B</s>»"},
      {"olmo2", "<|endoftext|><|user|>\nQ\n<|assistant|>\n«A</s>»", nullptr},
      {"zephyr", "<|user|>\nQ</s>\n<|assistant|>\n«A</s>»\n",
       "<|system|>\nS</s>\n<|user|>\n Q </s>\n<|assistant|>\n« A\n</s>»\n<|user|>\nR</s>\n"
       "<|assistant|>\n«B</s>»\n"},
      {"granite",
       "<|start_of_role|>user<|end_of_role|>Q<|end_of_text|>\n"
       "<|start_of_role|>assistant<|end_of_role|>«A<|end_of_text|>»\n",
       nullptr},
      {"granite3.3", nullptr,
       "<|start_of_role|>system<|end_of_role|>S<|end_of_text|>\n"
       "<|start_of_role|>user<|end_of_role|> Q <|end_of_text|>\n"
       "<|start_of_role|>assistant<|end_of_role|>« A\n<|end_of_text|>»\n"
       "<|start_of_role|>user<|end_of_role|>R<|end_of_text|>\n"
       "<|start_of_role|>assistant<|end_of_role|>«B<|end_of_text|>»\n"},
      {"granite4",
       "<|start_of_role|>system<|end_of_role|>You are a helpful assistant. Please ensure responses "
       "are professional, accurate, and safe.<|end_of_text|>\n"
       "<|start_of_role|>user<|end_of_role|>Q<|end_of_text|>\n"
       "<|start_of_role|>assistant<|end_of_role|>«A<|end_of_text|>»\n",
       nullptr},
      {"granite4.1",
       "<|start_of_role|>user<|end_of_role|>Q<|end_of_text|>\n"
       "<|start_of_role|>assistant<|end_of_role|>«A<|end_of_text|>»\n",
       nullptr},
      {"alpaca",
       "Below is an instruction that describes a task. Write a response that appropriately "
       "completes the request.\n\n### Instruction:\nQ\n\n### Response:«A</s>»",
       "S\n\n### Instruction:\n Q \n\n### Response:« A\n</s>»\n\n### Instruction:\nR\n\n"
       "### Response:«B</s>»"},
      {"plain", "Q\n«A</s>»", "S\n Q \n« A\n</s>»\nR\n«B</s>»"},
  }));
  INFO(expected.name);
  if (expected.no_system)
    CHECK(marked(render_chat(expected.name, kNoSystem, "</s>")) == expected.no_system);
  if (expected.two_turns)
    CHECK(marked(render_chat(expected.name, kTwoTurns, "</s>")) == expected.two_turns);
}

TEST_CASE("reasoning is written as the families write it") {
  const std::vector<Message> reasoned = {{"user", "Q"},
                                         {"assistant", "<think>\nold\n</think>\n\nA"},
                                         {"user", "R"},
                                         {"assistant", "<think>new</think>B"}};
  const std::string history =
      "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n«A<|im_end|>»\n"
      "<|im_start|>user\nR<|im_end|>\n<|im_start|>assistant\n";
  for (const char* name : {"qwen3", "qwen3-nothink"})
    CHECK(marked(render_chat(name, reasoned, "")) ==
          history + "«<think>\nnew\n</think>\n\nB<|im_end|>»\n");
  CHECK(joined(render_chat("qwen3", {{"user", "Q"}}, "", true)) ==
        "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n");
  CHECK(joined(render_chat("qwen3-nothink", {{"user", "Q"}}, "", true)) ==
        "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n");

  CHECK(marked(render_chat("smollm3", {{"system", "/no_think"}, {"user", "Q"}, {"assistant", "A"}},
                           "")) ==
        "<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\nReasoning Mode: "
        "/no_think\n\n## Custom Instructions\n\nYou are a helpful AI assistant named SmolLM, "
        "trained by Hugging Face.\n\n<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n«A<|im_end|>»\n");
  CHECK(joined(render_chat("smollm3", {{"system", "Own. /system_override"}, {"user", "Q"}}, "")) ==
        "<|im_start|>system\nOwn.<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n");
}

TEST_CASE("an instruction's input follows it, in alpaca under its own heading") {
  const std::vector<Message> messages = {{"user", "do", "this"}, {"assistant", "done"}};
  CHECK(joined(render_chat("tulu", messages, "$")) == "<|user|>\ndo\n\nthis\n<|assistant|>\ndone$");
  CHECK(marked(render_chat("alpaca", messages, "$")) ==
        "Below is an instruction that describes a task, paired with an input that provides further "
        "context. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\ndo\n\n### Input:\nthis\n\n### Response:«done$»");
}

TEST_CASE("what a template has no place for is refused by its message") {
  const Message system{"system", "S"}, user{"user", "Q"}, answer{"assistant", "A"};
  for (const char* name : {"gemma2", "mistral-v0"})
    CHECK_THAT(refusal(name, {system, user}),
               Contains("messages[0]: role 'system', expected 'user'") && Contains(name));
  for (const char* name : {"llama2", "mistral-v1", "mistral-v3", "mistral-v3-tekken", "gemma2",
                           "gemma3", "mistral-v0", "alpaca"}) {
    CHECK_THAT(refusal(name, {user, answer, answer}),
               Contains("messages[2]: role 'assistant', expected 'user'") && Contains(name));
    CHECK_THAT(refusal(name, {user, user}), Contains("messages[1]: role 'user', expected 'assist"));
  }
  for (const char* name : {"llama2", "mistral-v1", "mistral-v3", "gemma3"}) {
    CHECK_THAT(refusal(name, {system}), Contains("messages[0]") && Contains("user's message"));
    CHECK_THAT(refusal(name, {system, answer}), Contains("messages[1]: role 'assistant'"));
  }
  CHECK_THAT(refusal("granite3.3", {user}),
             Contains("messages[0]: role 'user', expected 'system'") && Contains("date"));
  for (const std::string& name : chat_template_names()) {
    CHECK_THAT(refusal(name, {}), Contains("no messages"));
    CHECK_THAT(refusal(name, {system, user, answer, system, answer}), Contains("role 'system'"));
    CHECK_THAT(refusal(name, {system, {"tool", "x"}}), Contains("expected 'user'"));
  }
  CHECK_THAT(refusal("zephyr", {user}, ""), Contains("zephyr") && Contains("EOS"));
  CHECK(refusal("chatml", {user}, "") == "");
  CHECK_THROWS_WITH(render_chat("vicuna", {user}, ""), Contains("'vicuna' is not known"));
}
