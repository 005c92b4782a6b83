#include <algorithm>

#include "data/dataset.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

// What the tokenizer's post-processor puts before a text (BOS, or nothing).
TokenIds leading_special_tokens(const Tokenizer& tokenizer) {
  const TokenIds plain = tokenizer.encode("a"), full = tokenizer.encode("a", true);
  return {full.begin(), std::search(full.begin(), full.end(), plain.begin(), plain.end())};
}

// The text that stands for EOS in a chat template.
std::string eos_text(const Tokenizer& tokenizer, int32_t eos_token_id) {
  if (eos_token_id >= tokenizer.vocab_size())
    throw Error("the model's eos_token_id " + std::to_string(eos_token_id) +
                " is not one of its tokenizer's " + std::to_string(tokenizer.vocab_size()) +
                " tokens; expected files of one model");
  return eos_token_id < 0 ? "" : tokenizer.decode({eos_token_id});
}

// How many were added: none where the text (a chat template) wrote them itself.
size_t add_leading(const TokenIds& leading, TokenIds& ids) {
  if (leading.size() <= ids.size() && std::equal(leading.begin(), leading.end(), ids.begin()))
    return 0;
  ids.insert(ids.begin(), leading.begin(), leading.end());
  return leading.size();
}

std::vector<TextPiece> row_pieces(const Row& row, const std::string& eos,
                                  const std::string& chat_template) {
  if (row.messages.empty()) return {{row.prompt, false}, {row.completion, true}};
  try {
    return render_chat(chat_template, row.messages, eos);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    throw Error(row.where + ": " + error.what());
  }
}

Example encode_row(const Row& row, const Tokenizer& tokenizer, const TokenIds& leading,
                   int32_t eos_token_id, const TokenizeOptions& options) {
  const std::vector<TextPiece> pieces =
      row_pieces(row, eos_text(tokenizer, eos_token_id), options.chat_template);
  MaskedIds masked = encode_pieces(tokenizer, pieces);
  Example example{std::move(masked.ids), std::move(masked.train)};
  if (row.messages.empty() && (example.ids.empty() || example.ids.back() != eos_token_id)) {
    if (eos_token_id < 0)
      throw Error(row.where +
                  ": a prompt-completion row ends with the model's EOS token, and the " +
                  "model names none; expected eos_token_id in its config");
    example.ids.push_back(eos_token_id);
    example.train.push_back(true);
  }
  example.train.insert(example.train.begin(), add_leading(leading, example.ids), false);
  if (!options.completion_only_loss) example.train.assign(example.ids.size(), true);
  // Nothing predicts the first token: in a pack, what stands before it is another row.
  if (!example.train.empty()) example.train[0] = false;
  return example;
}

[[noreturn]] void nothing_left(const std::vector<Row>& rows, int64_t num_too_long,
                               const TokenizeOptions& options) {
  if (rows.empty()) throw Error("the dataset is empty; expected at least one row");
  throw Error(
      rows.front().where + ": none of the " + std::to_string(rows.size()) +
      " rows from here on can be trained on: " + std::to_string(num_too_long) +
      " are longer than data.max_length " + std::to_string(options.max_length) +
      ", the others have no answer within it; raise data.max_length or shorten the prompts");
}

}  // namespace

int64_t Example::num_target_tokens() const {
  return train.empty() ? 0 : std::count(train.begin() + 1, train.end(), true);
}

TokenizedRows tokenize_rows(const std::vector<Row>& rows, const Tokenizer& tokenizer,
                            int32_t eos_token_id, const TokenizeOptions& options) {
  const TokenIds leading = leading_special_tokens(tokenizer);
  TokenizedRows out;
  int64_t num_too_long = 0;
  for (const Row& row : rows) {
    Example example = encode_row(row, tokenizer, leading, eos_token_id, options);
    const int64_t length = int64_t(example.ids.size());
    if (length > options.max_length) {
      if (options.excess_length_strategy == "raise")
        throw Error(row.where + ": row has " + std::to_string(length) +
                    " tokens, expected at most data.max_length " +
                    std::to_string(options.max_length) +
                    "; raise it or set data.excess_length_strategy to truncate or drop");
      ++num_too_long;
      const bool drop = options.excess_length_strategy == "drop";
      example.ids.resize(drop ? 0 : options.max_length);
      example.train.resize(example.ids.size());
    }
    if (example.num_target_tokens() == 0) {
      ++out.num_dropped;
    } else {
      out.num_truncated += length > options.max_length;
      out.examples.push_back(std::move(example));
    }
  }
  if (out.examples.empty()) nothing_left(rows, num_too_long, options);
  return out;
}

TokenIds encode_chat_prompt(const std::vector<Message>& messages, const Tokenizer& tokenizer,
                            int32_t eos_token_id, const std::string& chat_template) {
  const std::string eos = eos_text(tokenizer, eos_token_id);
  MaskedIds masked = encode_pieces(tokenizer, render_chat(chat_template, messages, eos, true));
  add_leading(leading_special_tokens(tokenizer), masked.ids);
  return masked.ids;
}

TokenIds encode_prompt(const std::string& text, const Tokenizer& tokenizer) {
  TokenIds ids = tokenizer.encode(text);
  add_leading(leading_special_tokens(tokenizer), ids);
  return ids;
}

}  // namespace tptt
