#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "data/chat_templates.h"
#include "data/tokenizer.h"

namespace tptt {

/// One training row: what is read and what is written (train pieces). A conversation when
/// `messages` is not empty, else plain prompt and completion.
struct Row {
  std::vector<Message> messages = {};
  std::string prompt = {};
  std::string completion = {};
  std::string where = {};    // "file.jsonl:12"
  bool is_document = false;  // format text: split at max_length instead of cut
};

/// Names of the row formats: "auto" first, "template" (ReadOptions::prompt_template) last.
std::vector<std::string> row_format_names();

struct ReadOptions {
  std::string format = "auto";  // one of row_format_names()
  int64_t limit = 0;            // rows to read; 0: all
  /// A field that the formats know and the file's name for it.
  std::vector<std::pair<std::string, std::string>> columns = {};
  /// Text with {field} in it ("{{", "}}" for braces): the prompt of rows of no other format, and of
  /// all with format "template". Their completion is the field `completion` or `output`.
  std::string prompt_template = {};
  bool skip_bad_rows = false;
};

/// The rows of a file and what it was taken for.
struct RowFile {
  std::vector<Row> rows = {};
  std::string kind = {};                     // "CSV"
  std::string format = {};                   // "alpaca"
  std::set<std::string> columns_found = {};  // of ReadOptions::columns, by the file's names
  int64_t num_bad = 0;                       // rows skipped
  std::vector<std::string> bad = {};         // why, of the first ten
};

/// Reads a file of any kind (data/README.md) in a format; "auto" recognises it by the first row's
/// keys. A bad row is an Error with file, line, field and what was expected, unless bad rows are
/// skipped; a file without good rows is an Error. Throws UsageError for a bad prompt_template.
RowFile read_row_file(const std::string& path, const ReadOptions& options);

/// Its rows alone.
std::vector<Row> read_rows(const std::string& path, const std::string& format, int64_t limit);

/// A tokenised example; loss is taken where train is true (position t predicts ids[t]).
struct Example {
  TokenIds ids;
  std::vector<bool> train;
  int64_t num_target_tokens() const;  // train positions but the first token
};

struct TokenizeOptions {
  std::string chat_template = {};  // resolved name
  int64_t max_length = 384;
  std::string excess_length_strategy = "truncate";  // truncate, drop, raise
  bool completion_only_loss = true;                 // of rows with prompt and completion
  bool assistant_only_loss = true;                  // of conversations
  int64_t num_threads = 0;                          // 0: all cores
};

struct TokenizedRows {
  std::vector<Example> examples;
  std::vector<int64_t> rows;  // by example: the index of its row, rising
  int64_t num_truncated = 0, num_split = 0, num_dropped = 0;  // rows
};

/// Renders and encodes rows, in their order whatever the threads. Prompt-completion rows and
/// documents end with the model's EOS token; alpaca rows are user/assistant conversations in the
/// chat template; BOS is added once when the tokenizer adds it. Of what is longer than max_length,
/// `truncate` keeps the beginning, but a document becomes several examples without overlap. Rows
/// without a target token are dropped and counted; when none is left an Error says why.
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

/// The same with items of like length side by side: the shuffled items are cut into groups of 50
/// batches (fewer where there are not four groups), and each group is sorted, longest first. Idea:
/// Transformers' LengthGroupedSampler.
std::vector<int64_t> length_grouped_order(const std::vector<int64_t>& lengths, int64_t batch_size,
                                          uint64_t seed, int64_t epoch);

/// Which of `count` rows are held out: a fraction below 1 of them (at least one), or so many.
/// Follows from the seed. Throws UsageError when none is left to train on.
std::vector<bool> held_out_rows(int64_t count, double eval_split, uint64_t seed);

/// Indices of the rows that a file of weight `weight` gives to each epoch: all of them as often as
/// the weight's whole part says, and of the fraction's share each once more, drawn by the seed and
/// `file`.
std::vector<int64_t> weighted_rows(int64_t count, double weight, uint64_t seed, int64_t file);

}  // namespace tptt
