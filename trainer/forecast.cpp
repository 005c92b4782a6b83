#include "trainer/forecast.h"

#include <algorithm>

namespace tptt {

int64_t largest_micro_batch(const Config& config, const TrainingData& data) {
  int64_t largest = 0;
  for (const auto& item : data.items) {
    int64_t tokens = 0;
    for (const int64_t example : item) tokens += int64_t(data.train[size_t(example)].ids.size());
    largest = std::max(largest, tokens);
  }
  return largest *
         std::min(config.training.per_device_train_batch_size, int64_t(data.items.size()));
}

double activation_bytes(CausalLM& model, int64_t tokens) {
  double numbers = 0;
  for (const Linear* linear : model.linears())
    if (linear != &model.head()) numbers += double(linear->in + linear->out) * linear->share;
  for (const Attention* attention : model.attentions())
    if (attention->liza)
      numbers +=
          4.0 *
          double((attention->config.num_attention_heads + attention->config.num_key_value_heads) *
                 attention->config.head_dim);
  return numbers * double(tokens) * double(c10::elementSize(model.dtype()));
}

}  // namespace tptt
