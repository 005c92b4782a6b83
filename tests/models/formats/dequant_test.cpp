#include "models/formats/dequant.h"

#include <catch2/catch.hpp>

#include "models/formats/error.h"
#include "models/formats/gguf.h"
#include "models/formats/safetensors.h"
#include "tests/models/formats/golden.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Matchers::Contains;

TEST_CASE("blocks of every type decode to the gguf package's floats, bit for bit", "[golden]") {
  const ReadFile blocks(golden_gguf("blocks.gguf")), values(golden_gguf("blocks.safetensors"));
  const std::vector<TensorInfo> expected = read_safetensors_header(values).tensors;
  std::vector<std::string> seen;
  for (const TensorInfo& info : read_gguf_header(blocks).tensors) {
    INFO(info.name);
    REQUIRE(to_string(info.type) == info.name);
    std::vector<uint32_t> ours(size_t(info.numel())), theirs(ours.size());
    to_float32(info.type, read_bytes(blocks, info).data(), info.numel(),
               reinterpret_cast<float*>(ours.data()));
    const TensorInfo& want = named(expected, info.name);
    REQUIRE(want.nbytes == ours.size() * 4);
    values.read(want.offset, theirs.data(), want.nbytes);
    CHECK(ours == theirs);
    seen.push_back(info.name);
  }
  for (const FileTypeInfo& type : file_types())
    if (type.block > 1) CHECK_THAT(seen, Catch::Matchers::VectorContains(std::string(type.name)));
}

TEST_CASE("tensor types that are not read are refused by ggml's name") {
  CHECK(ggml_type(12, "f") == FileType::Q4_K);
  CHECK_THAT(message_of<Error>([] { ggml_type(20, "f: tensor 't'"); }),
             Contains("f: tensor 't': GGUF tensor type IQ4_NL is not supported") &&
                 Contains("F16, BF16") && Contains("Q6_K") && !Contains("BOOL"));
  CHECK_THAT(message_of<Error>([] { ggml_type(39, "f"); }), Contains("MXFP4"));
  CHECK_THAT(message_of<Error>([] { ggml_type(4000000000, "f"); }), Contains("4000000000"));
}

TEST_CASE("rows that are no whole blocks are refused") {
  CHECK(tensor_nbytes(FileType::Q4_K, {3, 512}, "t") == 3 * 2 * 144);
  CHECK_THAT(message_of<Error>([] {
               tensor_nbytes(FileType::Q4_K, {8, 32}, "t");
             }),
             Contains("multiple of 256"));
  CHECK_THAT(message_of<Error>([] {
               tensor_nbytes(FileType::Q5_1, {32, 8}, "t");
             }),
             Contains("multiple of 32"));
}
