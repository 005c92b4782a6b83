#include "models/formats/safetensors.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "models/formats/error.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

std::string file_of(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

std::string refusal(const std::string& bytes) {
  const TempDir dir;
  const auto path = dir.path / "f.safetensors";
  write_text(path, bytes);
  const std::string message =
      message_of<Error>([&] { read_safetensors_header(ReadFile(path.string())); });
  if (!message.empty()) CHECK_THAT(message, Contains("f.safetensors"));
  return message;
}

}  // namespace

TEST_CASE("safetensors are written and read back") {
  const TempDir dir;
  const std::string path = (dir.path / "x.safetensors").string();
  const float values[] = {1.5f, -2.f, 3.f};
  const uint16_t half = 0x3C00;
  write_safetensors(path, {{"b", FileType::F32, {3}, std::as_bytes(std::span(values))},
                           {"a", FileType::F16, {1, 1}, std::as_bytes(std::span(&half, 1))},
                           {"empty", FileType::F32, {0, 4}, {}}});
  const ReadFile file(path);
  const auto header = read_safetensors_header(file);
  CHECK(header.metadata.at("format") == "pt");
  REQUIRE(header.tensors.size() == 3);
  for (const TensorInfo& info : header.tensors) {
    if (info.name != "b") continue;
    CHECK(info.shape == std::vector<int64_t>{3});
    float back[3];
    file.read(info.offset, back, sizeof back);
    CHECK(std::memcmp(back, values, sizeof back) == 0);
  }
}

TEST_CASE("broken safetensors are refused with what is wrong") {
  const std::string one = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  CHECK(refusal(file_of(one, std::string(8, 'x'))).empty());
  const struct {
    std::string bytes, expected;
  } cases[] = {
      {"", "truncated"},
      {std::string(7, '\0'), "truncated"},
      {std::string(8, '\xff'), "truncated"},
      {std::string("\xff\xff\xff\xff\0\0\0\0{", 9), "truncated"},
      {file_of(one, std::string(7, 'x')), "truncated"},
      {file_of(one, std::string(9, 'x')), "after the last tensor"},
      {file_of("", ""), "no safetensors header"},
      {file_of("[1]", ""), "no safetensors header"},
      {file_of("{", ""), "no valid JSON"},
      {file_of(R"({"a":1})", ""), "'a'"},
      {file_of(R"({"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}})", "12345678"), "F33"},
      {file_of(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", "12345678"),
       "shape and type need 12"},
      {file_of(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", "12345678"),
       "must be counts"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", "12345678"),
       "must be counts"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", "12345678"), "'a'"},
      {file_of(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}})",
               "12345678"),
       "overflow"},
      {file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "12345678"), "hole"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
               R"("b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
               "12345678"),
       "overlap"},
      {file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
               R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
               "12345678"),
       "duplicate"},
      {file_of(R"({"__metadata__":{"x":1}})", ""), "__metadata__"},
      {file_of(std::string(1000, '['), ""), "f.safetensors"},
  };
  for (const auto& c : cases) {
    INFO(c.bytes.substr(std::min<size_t>(8, c.bytes.size())));
    CHECK_THAT(refusal(c.bytes), Contains(c.expected));
  }
}

TEST_CASE("every cut of a good safetensors file is refused") {
  const std::string good =
      file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "12345678");
  for (size_t length = 0; length < good.size(); ++length) {
    INFO(length);
    CHECK_FALSE(refusal(good.substr(0, length)).empty());
  }
}
