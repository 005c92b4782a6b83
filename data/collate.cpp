#include "data/collate.h"

#include "models/formats/error.h"
#include "models/host_tensor.h"

namespace tptt {

Batch collate(const std::vector<Example>& examples, const std::vector<int64_t>& indices,
              int64_t vocab_size, const at::Device& device) {
  Batch batch;
  std::vector<int64_t> ids, rows, targets;
  for (const int64_t index : indices) {
    const Example& example = examples[index];
    for (size_t t = 0; t < example.ids.size(); ++t) {
      const int64_t id = example.ids[t];
      if (id < 0 || id >= vocab_size)
        throw Error("token id " + std::to_string(id) + " is outside the model's vocabulary of " +
                    std::to_string(vocab_size) + "; the tokenizer does not belong to this model");
      if (t > 0 && example.train[t]) {
        rows.push_back(int64_t(ids.size()) - 1);
        targets.push_back(id);
      }
      ids.push_back(id);
    }
    batch.lengths.push_back(int64_t(example.ids.size()));
  }
  batch.ids = host_tensor(ids, device);
  batch.target_rows = host_tensor(rows, device);
  batch.targets = host_tensor(targets, device);
  return batch;
}

}  // namespace tptt
