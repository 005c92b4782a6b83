#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>

#include "data/file_kinds.h"
#include "data/line_reader.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

// What Arrow may hold of a file at a time: sizes in it are claims. Packed texts are larger than the
// file, but not more than 256 times.
int64_t most_memory(int64_t file_size) {
  constexpr int64_t kMost = int64_t(4) << 30;
  return std::min(kMost, (int64_t(64) << 20) + 256 * std::min(file_size, kMost));
}

constexpr int64_t kBatchRows = 1024;
constexpr int kMaxDepth = 8;

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

void check(const arrow::Status& status, const std::string& where) {
  if (!status.ok())
    throw Error(where + ": cannot be read as Parquet: " + first_line(status.ToString()));
}

template <class T>
T check(arrow::Result<T> result, const std::string& where) {
  check(result.status(), where);
  return std::move(result).ValueUnsafe();
}

// Types that no format has a use for; columns of theirs are not read.
bool is_read(const arrow::DataType& type, int depth = 0) {
  if (depth > kMaxDepth) return false;
  switch (type.id()) {
    case arrow::Type::DICTIONARY:
      return is_read(*static_cast<const arrow::DictionaryType&>(type).value_type(), depth + 1);
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::STRUCT:
      for (const auto& field : type.fields())
        if (is_read(*field->type(), depth + 1)) return true;
      return false;
    default:
      return arrow::is_integer(type.id()) || arrow::is_floating(type.id()) ||
             arrow::is_string(type.id()) || type.id() == arrow::Type::BOOL ||
             type.id() == arrow::Type::NA;
  }
}

Json text_of(std::string_view text, const std::string& where) {
  check_utf8(text, where);
  return std::string(text);
}

Json value_of(const arrow::Array& array, int64_t at, const std::string& where);

template <class List>
Json list_of(const arrow::Array& array, int64_t at, const std::string& where) {
  const auto& list = static_cast<const List&>(array);
  Json out = Json::array();
  for (int64_t i = 0; i < list.value_length(at); ++i)
    out.push_back(value_of(*list.values(), list.value_offset(at) + i, where));
  return out;
}

Json struct_of(const arrow::Array& array, int64_t at, const std::string& where) {
  const auto& fields = static_cast<const arrow::StructArray&>(array);
  Json out = Json::object();
  for (int i = 0; i < fields.num_fields(); ++i)
    if (is_read(*fields.field(i)->type()))
      out[fields.struct_type()->field(i)->name()] = value_of(*fields.field(i), at, where);
  return out;
}

Json entry_of(const arrow::Array& array, int64_t at, const std::string& where) {
  const auto& entries = static_cast<const arrow::DictionaryArray&>(array);
  const int64_t index = entries.GetValueIndex(at);
  if (index < 0 || index >= entries.dictionary()->length())
    throw Error(where + ": names entry " + std::to_string(index) + " of a dictionary of " +
                std::to_string(entries.dictionary()->length()));
  return value_of(*entries.dictionary(), index, where);
}

template <class Array>
auto element(const arrow::Array& array, int64_t at) {
  return static_cast<const Array&>(array).Value(at);
}

// NaN is how pandas leaves out a number.
Json finite(double number) {
  return std::isfinite(number) ? Json(number) : Json(nullptr);
}

Json number_of(const arrow::Array& array, int64_t at) {
  switch (array.type_id()) {
    case arrow::Type::INT8:
      return element<arrow::Int8Array>(array, at);
    case arrow::Type::INT16:
      return element<arrow::Int16Array>(array, at);
    case arrow::Type::INT32:
      return element<arrow::Int32Array>(array, at);
    case arrow::Type::INT64:
      return element<arrow::Int64Array>(array, at);
    case arrow::Type::UINT8:
      return element<arrow::UInt8Array>(array, at);
    case arrow::Type::UINT16:
      return element<arrow::UInt16Array>(array, at);
    case arrow::Type::UINT32:
      return element<arrow::UInt32Array>(array, at);
    case arrow::Type::UINT64:
      return element<arrow::UInt64Array>(array, at);
    case arrow::Type::FLOAT:
      return finite(element<arrow::FloatArray>(array, at));
    case arrow::Type::DOUBLE:
      return finite(element<arrow::DoubleArray>(array, at));
    default:
      return nullptr;  // half floats, which no writer of data sets uses
  }
}

Json value_of(const arrow::Array& array, int64_t at, const std::string& where) {
  if (array.IsNull(at)) return nullptr;
  switch (array.type_id()) {
    case arrow::Type::STRING:
      return text_of(static_cast<const arrow::StringArray&>(array).GetView(at), where);
    case arrow::Type::LARGE_STRING:
      return text_of(static_cast<const arrow::LargeStringArray&>(array).GetView(at), where);
    case arrow::Type::BOOL:
      return element<arrow::BooleanArray>(array, at);
    case arrow::Type::DICTIONARY:
      return entry_of(array, at, where);
    case arrow::Type::LIST:
      return list_of<arrow::ListArray>(array, at, where);
    case arrow::Type::LARGE_LIST:
      return list_of<arrow::LargeListArray>(array, at, where);
    case arrow::Type::STRUCT:
      return struct_of(array, at, where);
    default:
      return number_of(array, at);
  }
}

Json row_of(const arrow::RecordBatch& batch, int64_t at, const std::string& where) {
  Json row = Json::object();
  for (int column = 0; column < batch.num_columns(); ++column) {
    const std::string& name = batch.column_name(column);
    row[name] = value_of(*batch.column(column), at, where + ", column '" + name + "'");
  }
  return row;
}

std::vector<int> read_columns(const parquet::arrow::FileReader& reader,
                              const arrow::Schema& schema) {
  std::vector<int> leaves;
  const std::function<void(const parquet::arrow::SchemaField&)> add = [&](const auto& field) {
    if (field.is_leaf()) leaves.push_back(field.column_index);
    for (const auto& child : field.children) add(child);
  };
  for (int i = 0; i < schema.num_fields(); ++i)
    if (is_read(*schema.field(i)->type())) add(reader.manifest().schema_fields[size_t(i)]);
  return leaves;
}

void each_row(const std::string& path, const TakeRow& take) {
  const int64_t size = int64_t(std::filesystem::file_size(path));
  arrow::CappedMemoryPool pool(arrow::default_memory_pool(), most_memory(size));
  const auto input = check(arrow::io::ReadableFile::Open(path, &pool), path);
  parquet::ReaderProperties limits(&pool);
  const auto shorter = [size](int32_t limit) { return int32_t(std::min<int64_t>(limit, size)); };
  limits.set_thrift_string_size_limit(shorter(limits.thrift_string_size_limit()));
  limits.set_thrift_container_size_limit(shorter(limits.thrift_container_size_limit()));
  parquet::arrow::FileReaderBuilder builder;
  check(builder.Open(input, limits), path);
  parquet::ArrowReaderProperties properties(false);
  properties.set_pre_buffer(false);  // its threads may hold buffers when the pool is gone
  properties.set_batch_size(kBatchRows);
  std::unique_ptr<parquet::arrow::FileReader> reader;
  check(builder.memory_pool(&pool)->properties(properties)->Build(&reader), path);
  std::shared_ptr<arrow::Schema> schema;
  check(reader->GetSchema(&schema), path);
  const std::vector<int> columns = read_columns(*reader, *schema);
  if (columns.empty())
    throw Error(path + ": has no column of texts, numbers, lists or structs to read");
  int64_t number = 0;
  for (int group = 0; group < reader->num_row_groups(); ++group) {
    const auto batches = check(reader->GetRecordBatchReader({group}, columns), path);
    while (true) {
      const std::string after = path + ": after row " + std::to_string(number);
      const auto batch = check(batches->Next(), after);
      if (!batch) break;
      check(batch->Validate(), after);
      for (int64_t at = 0; at < batch->num_rows(); ++at) {
        const std::string where = path + ": row " + std::to_string(++number);
        if (!take(where, [&] { return row_of(*batch, at, where); })) return;
      }
    }
  }
}

}  // namespace

void each_parquet_row(const std::string& path, const TakeRow& take) {
  try {
    each_row(path, take);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {  // Parquet's own, and std::bad_alloc
    throw Error(path + ": cannot be read as Parquet: " + first_line(error.what()));
  }
}

}  // namespace tptt
