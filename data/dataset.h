#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/chat_templates.h"
#include "data/tokenizer.h"

namespace tptt {

/// One training row: what is read and what is written (train pieces). A conversation when
/// `messages` is not empty, else plain prompt and completion.
struct Row {
  std::vector<Message> messages;
  std::string prompt;
  std::string completion;
  std::string where;  // "file.jsonl:12"
};

/// Reads JSONL or a JSON array in format alpaca, messages or prompt-completion ("auto" recognises
/// it by the first row's keys). Every bad row is an Error with file, line, field and what was
/// expected; an empty file is an Error. limit 0: all rows.
std::vector<Row> read_rows(const std::string& path, const std::string& format, int64_t limit);

/// A tokenised example; loss is taken where train is true (position t predicts ids[t]).
struct Example {
  TokenIds ids;
  std::vector<bool> train;
  int64_t num_target_tokens() const;  // train positions but the first token
};

struct TokenizeOptions {
  std::string chat_template;  // resolved name
  int64_t max_length = 384;
  std::string excess_length_strategy = "truncate";  // truncate, drop, raise
  bool completion_only_loss = true;
};

/// Renders and encodes rows. Rows without a target token are dropped and counted; when none is left
/// an Error says why. Prompt-completion rows end with the model's EOS token; alpaca rows are
/// user/assistant conversations in the chat template; BOS is added once when the tokenizer adds it.
struct TokenizedRows {
  std::vector<Example> examples;
  int64_t num_truncated = 0, num_dropped = 0;
};
TokenizedRows tokenize_rows(const std::vector<Row>& rows, const Tokenizer& tokenizer,
                            int32_t eos_token_id, const TokenizeOptions& options);

/// Ids of a conversation up to where the assistant writes, begun as tokenize_rows begins it.
TokenIds encode_chat_prompt(const std::vector<Message>& messages, const Tokenizer& tokenizer,
                            int32_t eos_token_id, const std::string& chat_template);

/// Ids of a plain text to go on from, begun likewise: BOS once where the tokenizer adds it, no EOS.
TokenIds encode_prompt(const std::string& text, const Tokenizer& tokenizer);

/// Best-fit decreasing: groups of example indices whose lengths sum to at most max_length.
std::vector<std::vector<int64_t>> pack_best_fit(const std::vector<Example>& examples,
                                                int64_t max_length);

/// Order of `count` items in epoch `epoch`, a counter-based shuffle keyed by (seed, epoch): the
/// same on every machine and after every resume.
std::vector<int64_t> epoch_order(int64_t count, uint64_t seed, int64_t epoch, bool shuffle);

}  // namespace tptt
