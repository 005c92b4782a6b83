#include "data/chat_templates.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "models/formats/error.h"
#include "models/formats/json.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

/// Knows its own template's text and nothing else.
class TemplateOnly : public Tokenizer {
 public:
  explicit TemplateOnly(std::string text) : text_(std::move(text)) {}
  TokenIds encode(std::string_view, bool, std::vector<size_t>*) const override { return {}; }
  std::vector<DecoderStep> decoder() const override { return {}; }
  std::string token(int32_t) const override { return ""; }
  std::string token_bytes(int32_t) const override { return ""; }
  bool is_special(int32_t) const override { return false; }
  int64_t vocab_size() const override { return 0; }
  std::optional<int32_t> token_id(std::string_view) const override { return {}; }
  std::string chat_template_text() const override { return text_; }

 private:
  std::string text_;
};

std::string joined(const std::vector<TextPiece>& pieces, bool only_trained = false) {
  std::string text;
  for (const TextPiece& piece : pieces)
    if (!only_trained || piece.train) text += piece.text;
  return text;
}

}  // namespace

TEST_CASE("conversations are rendered as Jinja renders the template's text", "[golden]") {
  const char* made = std::getenv("TPTT_GOLDEN_DIR");
  const Json rows = read_json_file((made ? made : TPTT_SOURCE_DIR "/tests/golden") +
                                   std::string("/tokenizers/chat.json"));
  REQUIRE(rows.size() >= 32);
  for (const Json& row : rows) {
    INFO(row.dump());
    const std::string name = row["template"];
    CHECK(resolve_chat_template("auto", TemplateOnly(row["text"])) == name);
    std::vector<Message> messages;
    std::string trained;
    for (const Json& m : row["messages"]) {
      messages.push_back({m["role"], m["content"]});
      if (m["role"] == "assistant") trained += m["content"].get<std::string>() + "<|im_end|>";
    }
    const auto pieces = render_chat(name, messages, row["add_generation_prompt"]);
    CHECK(joined(pieces) == row["rendered"].get<std::string>());
    CHECK(joined(pieces, true) == trained);
  }
}

TEST_CASE("a template that is not known is refused with the names that are") {
  const auto refusal = [](const std::string& name, const std::string& text) {
    try {
      resolve_chat_template(name, TemplateOnly(text));
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK_THAT(refusal("auto", ""), Contains("missing") && Contains("smollm2, chatml"));
  CHECK_THAT(refusal("auto", "[INST] {{ prompt }}"), Contains("not recognised"));
  CHECK_THAT(refusal("auto", "<|im_start|> message['role'] <|im_end|> You are Qwen"),
             Contains("not recognised"));
  CHECK_THAT(refusal("vicuna", ""), Contains("'vicuna' is not known"));
}
