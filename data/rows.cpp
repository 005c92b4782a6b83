#include <optional>

#include "data/file_kinds.h"
#include "data/formats.h"
#include "data/prompt_template.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

constexpr size_t kListedBadRows = 10;

/// Makes rows of a file's JSON objects, in the format that the first one has.
class RowReader {
 public:
  RowReader(const std::string& path, const ReadOptions& options) : options_(options) {
    if (!options.prompt_template.empty()) template_.emplace(options.prompt_template);
    const bool is_template = options.format == kTemplateFormat;
    if (is_template && !template_)
      throw UsageError(path + ": format template needs data.prompt_template");
    if (!is_template && options.format != "auto") format_ = &find_row_format(options.format);
    uses_template_ = is_template;
  }

  void read(Json json, const std::string& where, RowFile& file) {
    rename(json, file);
    if (!format_ && !uses_template_) {
      format_ = recognise_row_format(json);
      if (!format_ && !template_) refuse_unknown_format(json, where);
      uses_template_ = !format_;
    }
    file.rows.push_back(uses_template_ ? template_->read(json, where) : format_->read(json, where));
    file.format = uses_template_ ? kTemplateFormat : format_->name;
  }

 private:
  // All at once, so that two columns may change places.
  void rename(Json& json, RowFile& file) const {
    std::vector<std::pair<std::string, Json>> renamed;
    for (const auto& [known, theirs] : options_.columns)
      if (const auto it = json.find(theirs); it != json.end()) renamed.emplace_back(known, *it);
    for (auto& [known, value] : renamed) json[known] = std::move(value);
    for (const auto& [known, theirs] : options_.columns)
      if (json.contains(theirs)) file.columns_found.insert(theirs);
  }

  const ReadOptions& options_;
  std::optional<PromptTemplate> template_;
  const RowFormat* format_ = nullptr;
  bool uses_template_ = false;
};

void note_bad(const Error& error, RowFile& file) {
  ++file.num_bad;
  if (file.bad.size() < kListedBadRows) file.bad.push_back(error.what());
}

[[noreturn]] void no_rows(const std::string& path, const RowFile& file) {
  if (file.num_bad == 0) throw Error(path + ": the dataset is empty; expected at least one row");
  throw Error(path + ": none of its " + std::to_string(file.num_bad) +
              " rows can be read; the first: " + file.bad[0]);
}

}  // namespace

RowFile read_row_file(const std::string& path, const ReadOptions& options) {
  const FileKind& kind = find_file_kind(path);
  RowReader reader(path, options);
  RowFile file;
  file.kind = kind.name;
  kind.each_row(path, [&](const std::string& where, const std::function<Json()>& read) {
    try {
      reader.read(read(), where, file);
    } catch (const Error& error) {
      if (!options.skip_bad_rows) throw;
      note_bad(error, file);
    }
    return options.limit <= 0 || int64_t(file.rows.size()) < options.limit;
  });
  if (file.rows.empty()) no_rows(path, file);
  return file;
}

std::vector<Row> read_rows(const std::string& path, const std::string& format, int64_t limit) {
  return read_row_file(path, {.format = format, .limit = limit}).rows;
}

}  // namespace tptt
