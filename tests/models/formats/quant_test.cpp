#include "models/formats/quant.h"

#include <catch2/catch.hpp>
#include <limits>

#include "models/formats/error.h"
#include "models/formats/safetensors.h"
#include "tests/models/formats/golden.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Matchers::Contains;

TEST_CASE("float32 becomes the gguf package's bytes in every written type", "[golden]") {
  const ReadFile file(golden_gguf("quantized.safetensors"));
  const std::vector<TensorInfo> tensors = read_safetensors_header(file).tensors;
  const TensorInfo& input = named(tensors, "F32");
  const std::vector<std::byte> values = read_bytes(file, input);
  for (const FileType type : {FileType::F32, FileType::F16, FileType::BF16, FileType::Q8_0}) {
    INFO(to_string(type));
    std::vector<std::byte> ours(tensor_nbytes(type, input.shape, "input"));
    from_float32(type, reinterpret_cast<const float*>(values.data()), input.numel(), ours.data(),
                 "input");
    CHECK(ours == read_bytes(file, named(tensors, to_string(type))));
  }
}

TEST_CASE("what has no quantised form is refused") {
  std::byte out[144];
  float x[256] = {1};
  const auto refusal = [&](FileType type, float value) {
    x[3] = value;
    return message_of<Error>([&] { from_float32(type, x, 32, out, "f: tensor 't'"); });
  };
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK_THAT(refusal(FileType::Q4_K, 1), Contains("'t': type Q4_K is not written; known: F32"));
  for (const float bad : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN(), 1e7f})
    CHECK_THAT(refusal(FileType::Q8_0, bad), Contains("'t': a value is not finite or too large"));
  CHECK(refusal(FileType::Q8_0, 8e6f).empty());
}
