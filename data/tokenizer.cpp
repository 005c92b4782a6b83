#include "data/tokenizer.h"

#include "data/bpe_tokenizer.h"
#include "data/utf8.h"

namespace tptt {

std::unique_ptr<Tokenizer> load_tokenizer(const ModelFiles& files) {
  return make_bpe_tokenizer(files.gguf.empty() ? read_tokenizer_json(files.dir)
                                               : read_gguf_tokenizer(files.gguf));
}

std::string StreamDecoder::push(int32_t id) {
  if (tokenizer_.is_special(id)) return "";
  pending_ += tokenizer_.token_bytes(id);
  size_t ready = valid_utf8_prefix(pending_);
  std::string out = pending_.substr(0, ready);
  pending_.erase(0, ready);
  if (pending_.empty() || is_incomplete_utf8(pending_)) return out;
  // Some byte can never become a character: show it as such, keep an unfinished end.
  size_t keep = pending_.size();
  while (keep > 0 && pending_.size() - keep < 3 && !is_incomplete_utf8(pending_.substr(keep)))
    --keep;
  if (keep == 0 || !is_incomplete_utf8(pending_.substr(keep))) keep = pending_.size();
  out += utf8_lossy(pending_.substr(0, keep));
  pending_.erase(0, keep);
  return out;
}

std::string StreamDecoder::finish() {
  std::string out = utf8_lossy(pending_);
  pending_.clear();
  return out;
}

}  // namespace tptt
