#include "data/sentencepiece_check.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "data/precompiled_charsmap.h"
#include "data/utf8.h"
#include "models/formats/checked.h"

namespace tptt {
namespace {

constexpr size_t kLongestPiece = 8000;
// libsentencepiece keeps this many matches at one place in an array on the stack.
constexpr size_t kMostNestedSymbols = 64;

// A field of protobuf's wire format.
struct Field {
  uint64_t number = 0;
  uint64_t value = 0;           // wire types 0 (varint), 1 and 5 (fixed)
  std::string_view bytes = {};  // wire type 2 (length-delimited)
};

// Takes fields from the front of a message.
class Fields {
 public:
  Fields(std::string_view message, const std::string& where) : rest_(message), where_(where) {}

  bool next(Field* field) {
    if (rest_.empty()) return false;
    const uint64_t tag = varint();
    *field = {.number = tag >> 3};
    switch (tag & 7) {
      case 0:
        field->value = varint();
        return true;
      case 1:
        field->value = fixed(8);
        return true;
      case 2:
        field->bytes = take(varint());
        return true;
      case 5:
        field->value = fixed(4);
        return true;
    }
    throw Error(where_ + ": is no SentencePiece model (a field of unknown kind)");
  }

 private:
  std::string_view take(uint64_t size) {
    if (size > rest_.size())
      throw Error(where_ + ": is no SentencePiece model (it ends too early)");
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = uint8_t(take(1)[0]);
      value |= uint64_t(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    throw Error(where_ + ": is no SentencePiece model (a number is too long)");
  }
  uint64_t fixed(size_t size) {
    uint64_t value = 0;
    std::memcpy(&value, take(size).data(), size);
    return value;
  }

  std::string_view rest_;
  const std::string& where_;
};

SentencePieceModel::Piece read_piece(std::string_view message, const std::string& where) {
  SentencePieceModel::Piece piece;
  Fields fields(message, where);
  for (Field field; fields.next(&field);) {
    if (field.number == 1) piece.text = field.bytes;
    if (field.number == 2) std::memcpy(&piece.score, &field.value, sizeof piece.score);
    if (field.number == 3) piece.type = field.value;
  }
  if (piece.text.empty()) throw Error(where + ": a piece is empty");
  if (piece.text.size() >= kLongestPiece)
    throw Error(where + ": a piece has " + std::to_string(piece.text.size()) +
                " bytes, expected fewer than " + std::to_string(kLongestPiece));
  if (piece.text.find('\0') != std::string::npos)
    throw Error(where + ": a piece holds a null character");
  if (valid_utf8_prefix(piece.text) != piece.text.size())
    throw Error(where + ": a piece is no valid UTF-8");
  if (!std::isfinite(piece.score)) throw Error(where + ": the score of a piece is not finite");
  return piece;
}

void check_trainer(std::string_view message, const std::string& where) {
  Fields fields(message, where);
  for (Field field; fields.next(&field);) {
    if (field.number == 3 && field.value != 1 && field.value != 2)
      throw Error(where + ": SentencePiece model type " + std::to_string(field.value) +
                  " is not supported; known: 1 (unigram), 2 (BPE)");
    if (field.number == 24 && field.value != 0)
      throw Error(where + ": treat_whitespace_as_suffix is not supported");
  }
}

void read_normalizer_spec(std::string_view message, const std::string& where,
                          SentencePieceModel& model) {
  Fields fields(message, where);
  for (Field field; fields.next(&field);) {
    if (field.number == 2 && !field.bytes.empty()) check_precompiled_charsmap(field.bytes, where);
    if (field.number == 3) model.add_dummy_prefix = field.value != 0;
    if (field.number == 4) model.remove_extra_whitespaces = field.value != 0;
    if (field.number == 5 && field.value == 0)
      throw Error(where + ": escape_whitespaces: false is not supported");
  }
}

void refuse_denormalizer(std::string_view message, const std::string& where) {
  Fields fields(message, where);
  for (Field field; fields.next(&field);)
    if (field.number == 2 && !field.bytes.empty())
      throw Error(where + ": a denormaliser is not supported");
}

void check_pieces(const std::vector<SentencePieceModel::Piece>& pieces, const std::string& where) {
  std::set<std::string_view> seen, user_defined;
  int num_unknown = 0;
  for (const SentencePieceModel::Piece& piece : pieces) {
    if (!seen.insert(piece.text).second)
      throw Error(where + ": piece '" + piece.text + "' is there twice");
    if (piece.type == SentencePieceModel::user_defined) user_defined.insert(piece.text);
    num_unknown += piece.type == SentencePieceModel::unknown;
  }
  if (num_unknown != 1)
    throw Error(where + ": has " + std::to_string(num_unknown) + " unknown pieces, expected one");
  std::vector<std::string_view> prefixes;  // of the symbol at hand, in their order
  for (const std::string_view symbol : user_defined) {
    while (!prefixes.empty() && !symbol.starts_with(prefixes.back())) prefixes.pop_back();
    prefixes.push_back(symbol);
    if (prefixes.size() > kMostNestedSymbols)
      throw Error(where + ": more than " + std::to_string(kMostNestedSymbols) +
                  " user-defined symbols begin each other");
  }
}

}  // namespace

SentencePieceModel check_sentencepiece_model(std::string_view proto, const std::string& where) {
  SentencePieceModel model;
  MemoryBudget budget(proto.size(), where);
  Fields fields(proto, where);
  for (Field field; fields.next(&field);) {
    if (field.number == 1) {
      budget.take(1, sizeof(SentencePieceModel::Piece));
      model.pieces.push_back(read_piece(field.bytes, where));
    }
    if (field.number == 2) check_trainer(field.bytes, where);
    if (field.number == 3) read_normalizer_spec(field.bytes, where, model);
    if (field.number == 5) refuse_denormalizer(field.bytes, where);
  }
  check_pieces(model.pieces, where);
  return model;
}

}  // namespace tptt
