#include <algorithm>
#include <set>

#include "data/file_kinds.h"
#include "data/formats.h"
#include "data/line_reader.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

constexpr size_t kMostFields = 1 << 16;

/// The records of a CSV file (RFC 4180): fields with commas between them, in quotes where they hold
/// commas, quotes (written twice) or line ends.
class CsvReader {
 public:
  explicit CsvReader(const std::string& path) : lines_(path) {}

  /// False at the end of the file; lines without any character are passed over.
  bool next(std::vector<std::string>& fields) {
    do {
      if (!lines_.next(line_)) return false;
    } while (line_.empty());
    where_ = lines_.where();
    fields.clear();
    size_ = 0;
    for (size_t at = 0;;) {
      fields.emplace_back();
      at = at < line_.size() && line_[at] == '"' ? quoted(at + 1, fields.back())
                                                 : plain(at, fields.back());
      if (at == line_.size()) return true;
      if (fields.size() >= kMostFields)
        throw Error(where_ + ": has more than " + std::to_string(kMostFields) + " fields");
      ++at;  // the comma
    }
  }

  /// "file.csv:12", where the record begins.
  const std::string& where() const { return where_; }

 private:
  size_t plain(size_t at, std::string& field) {
    const size_t end = std::min(line_.find(',', at), line_.size());
    field.assign(line_, at, end - at);
    if (field.find('"') != std::string::npos)
      throw Error(lines_.where() + ": a quote inside the field " + json_quoted(field) +
                  "; expected fields with quotes to stand in quotes, each written twice");
    return end;
  }

  size_t quoted(size_t at, std::string& field) {
    const std::string opened = lines_.where();
    while (true) {
      const size_t end = line_.find('"', at);
      field.append(line_, at, end - at);
      if (end == std::string::npos) {
        field += lines_.ended_with_cr() ? "\r\n" : "\n";
        size_ += line_.size();
        if (size_ > LineReader::kMaxLine || !lines_.next(line_))
          throw Error(opened + ": the quote of field " + json_quoted(field) + " is not closed");
        at = 0;
      } else if (end + 1 < line_.size() && line_[end + 1] == '"') {
        field += '"';
        at = end + 2;
      } else if (end + 1 == line_.size() || line_[end + 1] == ',') {
        return end + 1;
      } else {
        throw Error(lines_.where() + ": text after the closing quote of field " +
                    json_quoted(field) + "; expected a comma or the end of the line");
      }
    }
  }

  LineReader lines_;
  std::string line_, where_;
  uint64_t size_ = 0;  // of the record, its last line left out
};

// A column without a name (an index that pandas wrote) is not read.
void check_header(const std::vector<std::string>& names, const std::string& where) {
  std::set<std::string_view> seen;
  for (const std::string& name : names) {
    check_utf8(name, where);
    if (!name.empty() && !seen.insert(name).second)
      throw Error(where + ": the header names the column " + json_quoted(name) + " twice");
  }
}

Json to_object(const std::vector<std::string>& names, std::vector<std::string>& fields,
               const std::string& where) {
  if (fields.size() != names.size())
    throw Error(where + ": expected " + std::to_string(names.size()) +
                " fields as in the header, got " + std::to_string(fields.size()));
  Json row = Json::object();
  for (size_t i = 0; i < names.size(); ++i) {
    check_utf8(fields[i], where);
    if (!names[i].empty()) row[names[i]] = std::move(fields[i]);
  }
  return row;
}

}  // namespace

void each_csv_record(const std::string& path, const TakeRecord& take) {
  CsvReader reader(path);
  std::vector<std::string> fields;
  while (reader.next(fields)) {
    for (const std::string& field : fields) check_utf8(field, reader.where());
    if (!take(reader.where(), fields)) return;
  }
}

void each_csv_row(const std::string& path, const TakeRow& take) {
  CsvReader reader(path);
  std::vector<std::string> names, fields;
  if (!reader.next(names)) return;
  check_header(names, reader.where());
  while (reader.next(fields))
    if (!take(reader.where(), [&] { return to_object(names, fields, reader.where()); })) return;
}

}  // namespace tptt
