#include "data/tokenizer.h"

#include "data/bpe_tokenizer.h"

namespace tptt {

std::unique_ptr<Tokenizer> load_tokenizer(const ModelFiles& files) {
  return make_bpe_tokenizer(files.gguf.empty() ? read_tokenizer_json(files.dir)
                                               : read_gguf_tokenizer(files.gguf));
}

std::string Tokenizer::decode(const TokenIds& ids, bool skip_special) const {
  Decoder decoder(this->decoder());
  std::string text;
  for (const int32_t id : ids)
    if (!skip_special || !is_special(id)) text += decoder.push(token(id));
  return text + decoder.finish();
}

std::string StreamDecoder::push(int32_t id) {
  return tokenizer_.is_special(id) ? "" : decoder_.push(tokenizer_.token(id));
}

}  // namespace tptt
