#include "trainer/guard.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>

#include <algorithm>
#include <cmath>

#include "models/formats/error.h"

namespace tptt {

FirstUpdate::FirstUpdate(const std::vector<Trainable>& parameters) : parameters_(parameters) {
  for (const Trainable& p : parameters_) before_.push_back(p.tensor.detach().clone());
}

void FirstUpdate::check(double learning_rate) const {
  for (size_t i = 0; i < before_.size(); ++i)
    if (!at::equal(before_[i], parameters_[i].tensor.detach())) return;
  throw Error("the adapter is what it was after its first update, at learning rate " +
              std::to_string(learning_rate) +
              ": no gradient reaches it; is the learning rate too small, or does no target depend "
              "on lora.target_modules?");
}

std::optional<std::string> first_loss_warning(double loss, int64_t vocab_size) {
  const double nothing = std::log(double(vocab_size));
  if (!(loss > nothing + 2)) return std::nullopt;
  return "the first loss is " + std::to_string(loss) +
         ", far above ln(vocabulary) = " + std::to_string(nothing) +
         ": the model knows less than nothing of this text; are tokenizer, chat template and model "
         "of one family, the weights whole?";
}

std::optional<std::string> eos_warning(const std::vector<Example>& train,
                                       const std::vector<int64_t>& eos_token_id) {
  if (eos_token_id.empty()) return std::nullopt;
  for (const Example& example : train)
    for (size_t t = 1; t < example.ids.size(); ++t)
      if (example.train[t] && std::find(eos_token_id.begin(), eos_token_id.end(),
                                        int64_t(example.ids[t])) != eos_token_id.end())
        return std::nullopt;
  return "no row trains the model's end token (" + std::to_string(eos_token_id[0]) +
         "): answers will not learn to end; is data.max_length too short, or is another "
         "data.chat_template this model's?";
}

}  // namespace tptt
