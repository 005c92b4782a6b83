#include "models/formats/gguf_writer.h"

#include <catch2/catch.hpp>

#include "models/formats/error.h"
#include "tests/models/formats/golden.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

std::vector<std::byte> zeros(const GgufTensor& tensor) {
  return std::vector<std::byte>(tensor_nbytes(tensor.type, tensor.shape, tensor.name));
}

std::string refusal(const std::vector<GgufEntry>& metadata, const std::vector<GgufTensor>& tensors,
                    const GgufTensorData& data = zeros) {
  const TempDir dir;
  const std::string path = (dir.path / "out.gguf").string();
  const std::string message = message_of<Error>([&] { write_gguf(path, metadata, tensors, data); });
  CHECK(std::filesystem::is_empty(dir.path) == !message.empty());  // nothing half-written
  return message;
}

}  // namespace

TEST_CASE("a copied GGUF file has the gguf package's bytes", "[golden]") {
  const TempDir dir;
  for (const char* name : {"metadata.gguf", "blocks.gguf"}) {
    INFO(name);
    const ReadFile file(golden_gguf(name));
    const GgufHeader header = read_gguf_header(file);
    std::vector<GgufTensor> tensors;
    for (const TensorInfo& info : header.tensors)
      tensors.push_back({info.name, info.type, info.shape});
    const std::string copy = (dir.path / name).string();
    write_gguf(copy, header.entries(), tensors, [&](const GgufTensor& tensor) {
      return read_bytes(file, named(header.tensors, tensor.name));
    });
    CHECK(read_text(copy) == read_text(golden_gguf(name)));
  }
}

TEST_CASE("a GGUF file is never written over another") {
  const TempDir dir;
  write_text(dir.path / "f.gguf", "mine");
  const std::string path = (dir.path / "f.gguf").string();
  CHECK_THAT(message_of<Error>([&] { write_gguf(path, {}, {}, zeros); }),
             Contains("f.gguf: is there already"));
  const std::string late = (dir.path / "late.gguf").string();
  CHECK_THAT(message_of<Error>([&] {
               write_gguf(late, {}, {{"t", FileType::F32, {1}}}, [&](const GgufTensor& t) {
                 write_text(late, "mine");
                 return zeros(t);
               });
             }),
             Contains("late.gguf: cannot put into place"));
  CHECK(read_text(path) == "mine");
  CHECK(read_text(late) == "mine");
}

TEST_CASE("what GGUF cannot hold is refused with its key or tensor") {
  const GgufTensor good{"t", FileType::F32, {2}};
  const auto key = [](GgufType type, GgufValue value, GgufType element = GgufType::U32) {
    return std::vector<GgufEntry>{{"k", type, element, std::move(value)}};
  };
  CHECK(refusal(key(GgufType::U32, int64_t(7)), {good}).empty());
  CHECK_THAT(refusal(key(GgufType::U8, int64_t(256)), {}), Contains("'k': 256 does not fit"));
  CHECK_THAT(refusal(key(GgufType::U64, int64_t(-1)), {}), Contains("does not fit"));
  CHECK_THAT(refusal(key(GgufType::I32, int64_t(1) << 31), {}), Contains("does not fit"));
  CHECK_THAT(refusal(key(GgufType::F32, int64_t(1)), {}), Contains("integer type"));
  CHECK_THAT(refusal(key(GgufType::U32, 1.0), {}), Contains("F32 or F64"));
  CHECK_THAT(refusal(key(GgufType::String, true), {}), Contains("type Bool"));
  CHECK_THAT(refusal(key(GgufType::String, std::vector<bool>{true}), {}), Contains("type Array"));
  CHECK_THAT(refusal(key(GgufType::Array, std::string("x")), {}), Contains("needs a list"));
  CHECK_THAT(refusal(key(GgufType::Array, std::vector<std::string>{"x"}), {}),
             Contains("type String"));
  CHECK_THAT(refusal({{"k", {}, {}, int64_t(1)}, {"k", {}, {}, int64_t(1)}}, {}),
             Contains("'k' is there twice"));
  CHECK_THAT(refusal({}, {good, good}), Contains("'t' is there twice"));
  CHECK_THAT(refusal({}, {{std::string(64, 'n'), FileType::F32, {2}}}), Contains("63 bytes"));
  CHECK_THAT(refusal({}, {{"t", FileType::F32, {1, 1, 1, 1, 1}}}), Contains("1 to 4 dimensions"));
  CHECK_THAT(refusal({}, {{"t", FileType::BOOL, {1}}}), Contains("no type BOOL"));
  CHECK_THAT(refusal({}, {{"t", FileType::Q8_0, {32, 3}}}), Contains("multiple of 32"));
  CHECK_THAT(refusal({}, {good}, [](const GgufTensor&) { return std::vector<std::byte>(7); }),
             Contains("got 7 bytes, its shape needs 8"));
  CHECK_THAT(refusal({{"general.alignment", {}, {}, int64_t(3)}}, {}), Contains("multiple of 8"));
}
