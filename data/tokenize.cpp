#include <algorithm>

#include "data/dataset.h"
#include "data/parallel.h"
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

/// What all rows of one call share.
struct Encoder {
  const Tokenizer& tokenizer;
  int32_t eos_token_id;
  const TokenizeOptions& options;
  std::string eos = eos_text(tokenizer, eos_token_id);
  TokenIds leading = leading_special_tokens(tokenizer);
};

void add_eos(const Row& row, int32_t eos_token_id, Example& example) {
  if (!example.ids.empty() && example.ids.back() == eos_token_id) return;
  if (eos_token_id < 0)
    throw Error(row.where + ": a " + (row.is_document ? "text" : "prompt-completion") +
                " row ends with the model's EOS token, and the model names none; expected "
                "eos_token_id in its config");
  example.ids.push_back(eos_token_id);
  example.train.push_back(true);
}

void check_masks_count(const Row& row) {
  for (size_t i = 0; i < row.messages.size(); ++i)
    if (row.messages[i].train)
      throw Error(row.where + ": message " + std::to_string(i) +
                  " says whether it trains, which has no effect with data.assistant_only_loss: "
                  "false; leave out one of them");
}

Example encode_row(const Row& row, const Encoder& encoder) {
  const TokenizeOptions& options = encoder.options;
  MaskedIds masked =
      encode_pieces(encoder.tokenizer, row_pieces(row, encoder.eos, options.chat_template));
  Example example{std::move(masked.ids), std::move(masked.train)};
  const bool is_chat = !row.messages.empty();
  if (!is_chat) add_eos(row, encoder.eos_token_id, example);
  example.train.insert(example.train.begin(), add_leading(encoder.leading, example.ids), false);
  if (!(is_chat ? options.assistant_only_loss : options.completion_only_loss)) {
    check_masks_count(row);
    example.train.assign(example.ids.size(), true);
  }
  // Nothing predicts the first token: in a pack, what stands before it is another row.
  if (!example.train.empty()) example.train[0] = false;
  return example;
}

/// What became of one row.
struct EncodedRow {
  std::vector<Example> examples;  // with targets
  bool too_long = false;
};

std::vector<Example> split(const Example& example, size_t length) {
  std::vector<Example> parts;
  for (size_t begin = 0; begin < example.ids.size(); begin += length) {
    const auto end = long(std::min(begin + length, example.ids.size())), from = long(begin);
    parts.push_back({TokenIds(example.ids.begin() + from, example.ids.begin() + end),
                     std::vector<bool>(example.train.begin() + from, example.train.begin() + end)});
    parts.back().train[0] = false;
  }
  return parts;
}

EncodedRow fit_row(const Row& row, const Encoder& encoder) {
  const TokenizeOptions& options = encoder.options;
  Example example = encode_row(row, encoder);
  const size_t length = example.ids.size(), most = size_t(options.max_length);
  EncodedRow out;
  out.too_long = length > most;
  if (out.too_long && options.excess_length_strategy == "raise")
    throw Error(row.where + ": row has " + std::to_string(length) +
                " tokens, expected at most data.max_length " + std::to_string(most) +
                "; raise it or set data.excess_length_strategy to truncate or drop");
  if (out.too_long && options.excess_length_strategy == "drop") return out;
  if (out.too_long && row.is_document) {
    out.examples = split(example, most);
  } else {
    example.ids.resize(std::min(length, most));
    example.train.resize(example.ids.size());
    out.examples.push_back(std::move(example));
  }
  std::erase_if(out.examples, [](const Example& e) { return e.num_target_tokens() == 0; });
  return out;
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
  const Encoder encoder{tokenizer, eos_token_id, options};
  std::vector<EncodedRow> encoded(rows.size());
  parallel_for(int64_t(rows.size()), options.num_threads,
               [&](int64_t i) { encoded[size_t(i)] = fit_row(rows[size_t(i)], encoder); });
  TokenizedRows out;
  int64_t num_too_long = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    num_too_long += encoded[i].too_long;
    if (encoded[i].examples.empty()) {
      ++out.num_dropped;
    } else if (encoded[i].too_long) {
      ++(rows[i].is_document ? out.num_split : out.num_truncated);
    }
    for (Example& example : encoded[i].examples) {
      out.examples.push_back(std::move(example));
      out.rows.push_back(int64_t(i));
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
