#include "models/formats/file_type.h"

#include <algorithm>

#include "models/formats/block_layouts.h"
#include "models/formats/dequant_blocks.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

// In the order of FileType. Numbers and sizes: ggml.h, ggml-common.h.
constexpr FileTypeInfo kTypes[] = {
    {FileType::F64, "F64", 28, 1, 8, dequantize_f64, nullptr},
    {FileType::F32, "F32", 0, 1, 4, dequantize_f32, nullptr},
    {FileType::F16, "F16", 1, 1, 2, dequantize_f16, nullptr},
    {FileType::BF16, "BF16", 30, 1, 2, dequantize_bf16, nullptr},
    {FileType::I64, "I64", 27, 1, 8, nullptr, nullptr},
    {FileType::I32, "I32", 26, 1, 4, nullptr, nullptr},
    {FileType::I16, "I16", 25, 1, 2, nullptr, nullptr},
    {FileType::I8, "I8", 24, 1, 1, nullptr, nullptr},
    {FileType::U8, "U8", -1, 1, 1, nullptr, nullptr},
    {FileType::BOOL, "BOOL", -1, 1, 1, nullptr, nullptr},
    {FileType::Q8_0, "Q8_0", 8, BlockQ8_0::kSize, BlockQ8_0::kBytes, dequantize_q8_0, dot_q8_0},
    {FileType::Q4_0, "Q4_0", 2, BlockQ4_0::kSize, BlockQ4_0::kBytes, dequantize_q4_0, dot_q4_0},
    {FileType::Q4_1, "Q4_1", 3, BlockQ4_1::kSize, BlockQ4_1::kBytes, dequantize_q4_1, dot_q4_1},
    {FileType::Q5_0, "Q5_0", 6, BlockQ5_0::kSize, BlockQ5_0::kBytes, dequantize_q5_0, dot_q5_0},
    {FileType::Q5_1, "Q5_1", 7, BlockQ5_1::kSize, BlockQ5_1::kBytes, dequantize_q5_1, dot_q5_1},
    {FileType::Q2_K, "Q2_K", 10, BlockQ2_K::kSize, BlockQ2_K::kBytes, dequantize_q2_k, dot_q2_k},
    {FileType::Q3_K, "Q3_K", 11, BlockQ3_K::kSize, BlockQ3_K::kBytes, dequantize_q3_k, dot_q3_k},
    {FileType::Q4_K, "Q4_K", 12, BlockQ4_K::kSize, BlockQ4_K::kBytes, dequantize_q4_k, dot_q4_k},
    {FileType::Q5_K, "Q5_K", 13, BlockQ5_K::kSize, BlockQ5_K::kBytes, dequantize_q5_k, dot_q5_k},
    {FileType::Q6_K, "Q6_K", 14, BlockQ6_K::kSize, BlockQ6_K::kBytes, dequantize_q6_k, dot_q6_k},
};

constexpr bool in_order() {
  for (size_t i = 0; i < std::size(kTypes); ++i)
    if (size_t(kTypes[i].type) != i) return false;
  return true;
}
static_assert(in_order());

// Types of ggml that are not read, so that a refusal can name them.
constexpr struct {
  uint32_t id;
  const char* name;
} kUnknown[] = {
    {4, "Q4_2"},      {5, "Q4_3"},     {9, "Q8_1"},   {15, "Q8_K"},     {16, "IQ2_XXS"},
    {17, "IQ2_XS"},   {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"},   {21, "IQ3_S"},
    {22, "IQ2_S"},    {23, "IQ4_XS"},  {29, "IQ1_M"}, {31, "Q4_0_4_4"}, {32, "Q4_0_4_8"},
    {33, "Q4_0_8_8"}, {34, "TQ1_0"},   {35, "TQ2_0"}, {39, "MXFP4"},    {40, "NVFP4"},
    {41, "Q1_0"},
};

}  // namespace

std::span<const FileTypeInfo> file_types() {
  return kTypes;
}

const FileTypeInfo& info_of(FileType type) {
  return kTypes[size_t(type)];
}

std::string to_string(FileType type) {
  return info_of(type).name;
}

FileType ggml_type(uint32_t id, const std::string& where) {
  std::string known;
  for (const FileTypeInfo& t : kTypes) {
    if (t.ggml_id == int64_t(id)) return t.type;
    if (t.ggml_id >= 0) known += (known.empty() ? "" : ", ") + std::string(t.name);
  }
  const auto* named = std::find_if(std::begin(kUnknown), std::end(kUnknown),
                                   [id](const auto& u) { return u.id == id; });
  throw Error(where + ": GGUF tensor type " +
              (named == std::end(kUnknown) ? std::to_string(id) : named->name) +
              " is not supported; known: " + known);
}

}  // namespace tptt
