#include "trainer/evaluate/text.h"

#include <c10/core/GradMode.h>

#include <algorithm>

#include "data/dataset.h"
#include "data/line_reader.h"
#include "data/utf8.h"
#include "models/formats/error.h"
#include "models/host_tensor.h"
#include "trainer/evaluate/targets.h"
#include "trainer/generate.h"
#include "trainer/progress.h"

namespace tptt {

std::vector<TextWindow> rolling_windows(int64_t num_tokens, int64_t length, int64_t stride) {
  std::vector<TextWindow> windows;
  int64_t first = 1;
  for (int64_t end = length + 1; first < num_tokens; end += stride) {
    end = std::min(end, num_tokens);
    windows.push_back({std::max<int64_t>(0, end - length - 1), first, end});
    first = end;
  }
  return windows;
}

Text read_text(const std::string& path, const Tokenizer& tokenizer, const ModelConfig& config) {
  const std::string text = read_utf8(path);
  Text out{encode_prompt(text, tokenizer), int64_t(text.size()), int64_t(split(text).size())};
  const int64_t bos = config.bos_token_id < 0 ? config.first_eos() : config.bos_token_id;
  if (bos >= 0 && (out.ids.empty() || out.ids[0] != bos))
    out.ids.insert(out.ids.begin(), int32_t(bos));
  if (out.ids.size() < 2) throw Error(path + ": expected a text of at least one token");
  check_ids(out.ids, config.vocab_size);
  return out;
}

double score_text(const CausalLM& model, const TokenIds& ids,
                  const std::vector<TextWindow>& windows, int64_t max_tokens, Branch branch) {
  c10::AutoGradMode no_grad(false);
  double sum = 0;
  for (size_t next = 0; next < windows.size();) {
    std::vector<int64_t> read, lengths, rows;
    std::vector<Target> targets;
    do {
      const auto [begin, first, end] = windows[next++];
      for (int64_t t = first; t < end; ++t) {
        targets.push_back({int64_t(rows.size()), ids[size_t(t)]});
        rows.push_back(int64_t(read.size()) + t - 1 - begin);
      }
      read.insert(read.end(), ids.begin() + begin, ids.begin() + end - 1);
      lengths.push_back(end - 1 - begin);
    } while (next < windows.size() && int64_t(read.size()) + lengths[0] <= max_tokens);
    const at::Tensor hidden =
        model.hidden(host_tensor(read, model.device()), model.context(lengths, {.branch = branch}));
    for (const TokenScore& token :
         score_targets(model, hidden.index_select(0, host_tensor(rows, model.device())), targets))
      sum += token.log_prob;
    show_count("windows scored", int64_t(next), int64_t(windows.size()));
  }
  return sum;
}

}  // namespace tptt
