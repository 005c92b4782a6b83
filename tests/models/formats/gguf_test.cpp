#include "models/formats/gguf.h"

#include <catch2/catch.hpp>

#include "models/formats/error.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

template <class Number>
std::string bytes(Number value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string text(const std::string& value) {
  return bytes(uint64_t(value.size())) + value;
}

constexpr uint32_t kU32 = 4, kString = 8, kArray = 9;

std::string head(uint64_t tensors, uint64_t keys) {
  return "GGUF" + bytes(uint32_t(3)) + bytes(tensors) + bytes(keys);
}

std::string tensor(const std::string& name, uint64_t size, uint64_t offset, uint32_t type = 0) {
  return text(name) + bytes(uint32_t(1)) + bytes(size) + bytes(type) + bytes(offset);
}

std::string padded(std::string file) {
  file.resize((file.size() + 31) / 32 * 32, '\0');
  return file;
}

GgufHeader read(const std::string& content) {
  const TempDir dir;
  write_text(dir.path / "f.gguf", content);
  return read_gguf_header(ReadFile((dir.path / "f.gguf").string()));
}

std::string refusal(const std::string& content) {
  return message_of<Error>([&] { read(content); });
}

std::string good() {
  return padded(head(1, 2) + text("n") + bytes(kU32) + bytes(uint32_t(7)) + text("words") +
                bytes(kArray) + bytes(kString) + bytes(uint64_t(2)) + text("a") + text("bc") +
                tensor("t", 2, 0)) +
         "12345678";
}

}  // namespace

TEST_CASE("a GGUF header is read with its types") {
  const GgufHeader header = read(good());
  CHECK(header.get_int("n") == 7);
  CHECK(header.get_strings("words") == std::vector<std::string>{"a", "bc"});
  CHECK(header.get_int("missing", 3) == 3);
  CHECK_THROWS_WITH(header.get_int("missing"), Contains("'missing' is missing"));
  CHECK_THROWS_WITH(header.get_string("n"), Contains("'n' must be a string"));
  REQUIRE(header.tensors.size() == 1);
  CHECK(header.tensors[0].nbytes == 8);
}

TEST_CASE("broken GGUF files are refused with what is wrong") {
  const std::string key = text("k") + bytes(kU32) + bytes(uint32_t(1));
  const struct {
    std::string content, expected;
  } cases[] = {
      {"GGML" + good().substr(4), "no GGUF file"},
      {"GGUF" + bytes(uint32_t(1)) + good().substr(8), "version 1"},
      {head(uint64_t(1) << 60, 0), "do not fit"},
      {head(0, uint64_t(1) << 60), "do not fit"},
      {head(0, 1) + bytes(~uint64_t(0)) + "kkkkkkkkkkkk", "string of"},
      {head(0, 1) + text("k") + bytes(kString) + bytes(uint64_t(1) << 62), "'k'"},
      {head(0, 1) + text("k") + bytes(kArray) + bytes(kU32) + bytes(~uint64_t(0)),
       "values of an array do not fit"},
      {head(0, 1) + text("k") + bytes(kArray) + bytes(kArray) + bytes(uint64_t(1)), "nested"},
      {head(0, 1) + text("k") + bytes(uint32_t(77)) + bytes(uint64_t(1)), "value type 77"},
      {head(0, 2) + key + key, "twice"},
      {padded(head(1, 0) + tensor("t", 2, 0)), "truncated"},
      {padded(head(1, 0) + tensor("t", 2, ~uint64_t(0) - 31)) + "12345678", "overflow"},
      {padded(head(1, 0) + tensor("t", uint64_t(1) << 62, 0)) + "12345678", "overflow"},
      {padded(head(1, 0) + tensor("t", 2, 3)) + "12345678", "not aligned"},
      {padded(head(1, 0) + tensor("t", 2, 0, 22)) + "12345678", "type IQ2_S"},
      {padded(head(1, 0) + tensor("t", 32, 0, 12)) + std::string(64, 'x'), "multiple of 256"},
      {padded(head(1, 0) + tensor("t", 33, 0, 8)) + std::string(64, 'x'), "multiple of 32"},
      {padded(head(2, 0) + tensor("t", 2, 0) + tensor("t", 2, 0)) + "12345678", "twice"},
  };
  for (const auto& c : cases) {
    INFO(c.expected);
    CHECK_THAT(refusal(c.content), Contains(c.expected) && Contains("f.gguf"));
  }
}

TEST_CASE("every cut of a good GGUF file is refused") {
  const std::string whole = good();
  CHECK(refusal(whole).empty());
  for (size_t length = 0; length < whole.size(); ++length) {
    INFO(length);
    CHECK_THAT(refusal(whole.substr(0, length)), Contains("f.gguf"));
  }
}
