#include <algorithm>

#include "data/dataset.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

Example encode_row(const Row& row, const Tokenizer& tokenizer, int32_t eos_token_id,
                   const TokenizeOptions& options) {
  Example example;
  if (row.messages.empty()) {
    const std::vector<TextPiece> pieces{{row.prompt, false}, {row.completion, true}};
    MaskedIds masked = encode_pieces(tokenizer, pieces);
    example = {std::move(masked.ids), std::move(masked.train)};
    example.ids.push_back(eos_token_id);
    example.train.push_back(true);
    const TokenIds first = tokenizer.encode("", true);  // BOS, where the tokenizer adds one
    example.ids.insert(example.ids.begin(), first.begin(), first.end());
    example.train.insert(example.train.begin(), first.size(), false);
  } else {
    MaskedIds masked = encode_pieces(tokenizer, render_chat(options.chat_template, row.messages));
    example = {std::move(masked.ids), std::move(masked.train)};
  }
  if (!options.completion_only_loss) example.train.assign(example.ids.size(), true);
  return example;
}

}  // namespace

int64_t Example::num_target_tokens() const {
  return train.empty() ? 0 : std::count(train.begin() + 1, train.end(), true);
}

TokenizedRows tokenize_rows(const std::vector<Row>& rows, const Tokenizer& tokenizer,
                            int32_t eos_token_id, const TokenizeOptions& options) {
  TokenizedRows out;
  const size_t limit = size_t(options.max_length);
  for (const Row& row : rows) {
    Example example = encode_row(row, tokenizer, eos_token_id, options);
    if (example.ids.size() > limit) {
      if (options.excess_length_strategy == "raise")
        throw Error(row.where + ": " + std::to_string(example.ids.size()) +
                    " tokens, more than data.max_length " + std::to_string(limit));
      if (options.excess_length_strategy == "drop") {
        ++out.num_dropped;
        continue;
      }
      ++out.num_truncated;
      example.ids.resize(limit);
      example.train.resize(limit);
    }
    if (example.num_target_tokens() == 0) {
      ++out.num_dropped;
      continue;
    }
    out.examples.push_back(std::move(example));
  }
  if (out.examples.empty())
    throw Error((rows.empty() ? std::string("dataset") : rows.front().where) +
                ": no row has a target token within data.max_length " + std::to_string(limit) +
                "; raise max_length or shorten the prompts");
  return out;
}

}  // namespace tptt
