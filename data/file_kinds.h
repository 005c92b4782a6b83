#pragma once

#include <functional>
#include <string>
#include <vector>

#include "models/formats/json.h"

namespace tptt {

/// Takes one row: where it stands ("file.jsonl:12") and what reads it as a JSON object, which
/// throws Error when this row is broken. Returns false when it has enough.
using TakeRow = std::function<bool(const std::string& where, const std::function<Json()>& read)>;

/// One kind of file: a line in file_kinds.cpp's table and a file of its own. What breaks the file
/// and not one row of it only is an Error of each_row itself.
struct FileKind {
  const char* name;
  bool (*fits)(const std::string& extension, const std::string& head);
  void (*each_row)(const std::string& path, const TakeRow& take);
};

/// The kind of a file by its first bytes and its name's extension. Throws Error for a compressed
/// file and for one that cannot be opened.
const FileKind& find_file_kind(const std::string& path);

/// JSONL or one JSON array of objects, told apart by the first character.
void each_json_row(const std::string& path, const TakeRow& take);
/// RFC 4180 with a header row: each record becomes an object of strings.
void each_csv_row(const std::string& path, const TakeRow& take);
/// Takes one record: where it begins ("file.csv:12") and its fields. Returns false when it has
/// enough.
using TakeRecord =
    std::function<bool(const std::string& where, const std::vector<std::string>& fields)>;
/// RFC 4180 without a header row.
void each_csv_record(const std::string& path, const TakeRecord& take);
/// Row groups one after another; a row is an object of its columns' texts, numbers, truth values,
/// lists and structs, other columns are left out. Without TPTT_PARQUET an Error that says what to
/// install.
void each_parquet_row(const std::string& path, const TakeRow& take);
/// A whole text file of at most 1 GiB is one row {"text": ...}.
void each_text_row(const std::string& path, const TakeRow& take);

}  // namespace tptt
