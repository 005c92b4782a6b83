#include "models/families/family.h"
#include "models/formats/error.h"
#include "models/formats/names.h"

// clang-format off
// Every family, by the name of its file: a line each.
#define TPTT_FAMILIES(F) \
  F(gemma) \
  F(gemma2) \
  F(gemma3_text) \
  F(gpt2) \
  F(granite) \
  F(llama) \
  F(mistral) \
  F(olmo) \
  F(olmo2) \
  F(olmoe) \
  F(openelm) \
  F(phi3) \
  F(qwen2) \
  F(qwen3) \
  F(smollm3)
// clang-format on

namespace tptt {

#define TPTT_DECLARE(name) ModelConfig read_##name(const ConfigReader& json);
TPTT_FAMILIES(TPTT_DECLARE)
#undef TPTT_DECLARE

namespace {

#define TPTT_ROW(name) {#name, read_##name},
constexpr Family kFamilies[] = {TPTT_FAMILIES(TPTT_ROW)};
#undef TPTT_ROW

}  // namespace

std::vector<std::string> family_names() {
  std::vector<std::string> names;
  for (const Family& family : kFamilies) names.push_back(family.model_type);
  return names;
}

const Family& find_family(const std::string& model_type, const std::string& where) {
  for (const Family& family : kFamilies)
    if (model_type == family.model_type) return family;
  throw Error(where + ": model_type '" + model_type + "' is not supported; known types: " +
              list_names(kFamilies, [](const Family& f) { return f.model_type; }));
}

}  // namespace tptt
