#pragma once

#include "data/bpe_tokenizer.h"
#include "models/formats/json.h"

namespace tptt {

/// Readers of tokenizer.json's components, each of which appends to its part. Components that are
/// not known are refused by name with those that are. Throws Error naming `parts.where`.
void read_normalizer(const Json& json, BpeParts& parts);
void read_pre_tokenizer(const Json& json, BpeParts& parts);
void read_post_processor(const Json& json, BpeParts& parts);
void read_decoder(const Json& json, BpeParts& parts);

}  // namespace tptt
