#include "trainer/row_files.h"

#include <numeric>
#include <set>

#include "models/formats/error.h"
#include "trainer/config_keys.h"
#include "trainer/log.h"

namespace tptt {
namespace {

ReadOptions read_options(const DataFile& file, const DataSection& data) {
  ReadOptions options{.format = file.format,
                      .limit = file.limit,
                      .prompt_template = data.prompt_template,
                      .skip_bad_rows = data.skip_bad_rows};
  visit_keys(data.columns,
             [&](const char* known, const std::string& theirs, const Rule&, const char*) {
               if (!theirs.empty()) options.columns.emplace_back(known, theirs);
             });
  return options;
}

// One line a file, and what was wrong with it.
void report(const std::string& path, const RowFile& file, const char* what) {
  log_info(std::string(what) + ": " + path + " is " + file.kind + ", format " + file.format + ", " +
           std::to_string(file.rows.size()) + " rows");
  for (const std::string& bad : file.bad) log_warning("skipped " + bad);
  if (file.num_bad > 0)
    log_warning(path + ": " + std::to_string(file.num_bad) + " bad rows skipped (" +
                std::to_string(file.bad.size()) + " of them listed)");
}

std::vector<RowFile> read_files(const std::vector<DataFile>& files, const DataSection& data,
                                const char* what) {
  std::vector<RowFile> read;
  for (const DataFile& file : files) {
    read.push_back(read_row_file(file.path, read_options(file, data)));
    report(file.path, read.back(), what);
  }
  return read;
}

// A setting that nothing in the data answers to is a mistake.
void check_effect(const std::vector<RowFile>& train, const std::vector<RowFile>& eval,
                  const DataSection& data) {
  bool chats = false, completions = false, templates = false;
  std::set<std::string> found;
  for (const auto* files : {&train, &eval})
    for (const RowFile& file : *files) {
      const Row& first = file.rows.front();
      chats |= !first.messages.empty();
      completions |= first.messages.empty() && !first.is_document;
      templates |= file.format == "template";
      found.insert(file.columns_found.begin(), file.columns_found.end());
    }
  for (const auto& [known, theirs] : read_options({}, data).columns)
    if (found.count(theirs) == 0)
      throw UsageError("data.columns." + known + ": no row has a field '" + theirs + "'");
  if (!data.prompt_template.empty() && !templates)
    throw UsageError(
        "data.prompt_template has no effect: every file is of a known format; leave it out, or set "
        "a file's format to template");
  if (!data.completion_only_loss && !completions)
    throw UsageError(
        "data.completion_only_loss: false has no effect: no row is of prompt and completion; of "
        "conversations data.assistant_only_loss decides");
  if (!data.assistant_only_loss && !chats)
    throw UsageError(
        "data.assistant_only_loss: false has no effect: no row is a conversation; of prompt and "
        "completion data.completion_only_loss decides");
}

std::vector<HashedRows> hashed(std::vector<RowFile> files, int64_t num_threads) {
  std::vector<HashedRows> out;
  for (RowFile& file : files) {
    HashedRows& rows = out.emplace_back();
    rows.rows = std::move(file.rows);
    rows.hashes = row_hashes(rows.rows, num_threads);
    rows.held_out.assign(rows.rows.size(), false);
  }
  return out;
}

void hold_out(std::vector<HashedRows>& files, double eval_split, uint64_t seed) {
  const int64_t count = std::accumulate(
      files.begin(), files.end(), int64_t(0),
      [](int64_t sum, const HashedRows& file) { return sum + int64_t(file.rows.size()); });
  const std::vector<bool> all = held_out_rows(count, eval_split, seed);
  auto next = all.begin();
  for (HashedRows& file : files) {
    const auto end = next + int64_t(file.rows.size());
    file.held_out.assign(next, end);
    next = end;
  }
}

/// Counts rows that say the same as a training row.
struct Repeats {
  int64_t count = 0;
  std::string first = {};

  void look(const RepeatFinder& seen, const Row& row, const Digest& hash) {
    const std::string* place = seen.find(hash);
    if (place && count++ == 0) first = row.where + " says the same as " + *place;
  }
  void warn(const char* what) const {
    if (count > 0) log_warning(std::to_string(count) + what + "; the first: " + first);
  }
};

void warn_of_repeats(const RowFiles& files) {
  RepeatFinder trained;
  Repeats repeated, leaked;
  for (const HashedRows& file : files.train)
    for (size_t i = 0; i < file.rows.size(); ++i) {
      if (file.held_out[i]) continue;
      repeated.look(trained, file.rows[i], file.hashes[i]);
      trained.add(file.rows[i], file.hashes[i]);
    }
  for (const HashedRows& file : files.train)
    for (size_t i = 0; i < file.rows.size(); ++i)
      if (file.held_out[i]) leaked.look(trained, file.rows[i], file.hashes[i]);
  for (const HashedRows& file : files.eval)
    for (size_t i = 0; i < file.rows.size(); ++i)
      leaked.look(trained, file.rows[i], file.hashes[i]);
  repeated.warn(" training rows are repeats of others");
  leaked.warn(" held-out rows are trained on too");
}

}  // namespace

RowFiles read_row_files(const Config& config) {
  const DataSection& data = config.data;
  std::vector<RowFile> train = read_files(data.train, data, "train");
  std::vector<RowFile> eval = read_files(data.eval, data, "eval");
  check_effect(train, eval, data);
  RowFiles files;
  files.train = hashed(std::move(train), config.training.num_threads);
  files.eval = hashed(std::move(eval), config.training.num_threads);
  if (data.eval_split > 0) hold_out(files.train, data.eval_split, uint64_t(config.training.seed));
  warn_of_repeats(files);
  return files;
}

}  // namespace tptt
