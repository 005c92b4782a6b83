#include "models/causal_lm.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <numeric>

#include "models/liza/inject.h"
#include "models/liza/operator_mode.h"
#include "models/lora.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"

using namespace tptt;

namespace {

at::Tensor random_ids(int64_t count, int64_t vocab) {
  return at::randint(0, vocab, {count}, at::TensorOptions().dtype(at::kLong));
}

LizaConfig memory(const std::string& operator_mode, const std::string& mode,
                  const std::string& branch_scale = "match") {
  LizaConfig config;
  config.operator_mode = operator_mode;
  config.branch_scale = branch_scale;
  config.max_chunk_size = 16;
  config.mag.mode = mode;
  config.mag.mag_weight = 0.4;
  return config;
}

// What the memories learn, as after some training.
void move_memories(CausalLM& model) {
  for (const Trainable& t : trainables(model))
    if (t.kind == TrainableKind::gate) at::Tensor(t.tensor).add_(at::randn_like(t.tensor), 0.3);
}

int64_t sum(const std::vector<int64_t>& lengths) {
  return std::accumulate(lengths.begin(), lengths.end(), int64_t(0));
}

// Rows of each sequence from `begin` (or its start) to `end` (or its end).
std::vector<int64_t> offsets_of(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> starts{0};
  for (const int64_t length : lengths) starts.push_back(starts.back() + length);
  return starts;
}

}  // namespace

TEST_CASE("decoding token by token equals the full forward") {
  const c10::AutoGradMode no_grad(false);
  std::vector<std::string> modes = operator_modes();
  modes.push_back("");
  const auto mode = GENERATE_COPY(from_range(modes));
  const auto mag = GENERATE(as<std::string>(), "constant", "learned", "token");
  const bool windowed = GENERATE(false, true);
  INFO(mode << " " << mag << " windowed " << windowed);
  at::manual_seed(1);
  const auto model = load_tiny("gqa_bias_bf16_sharded");
  LizaConfig config = memory(mode, mag,
                             mag == "learned" ? "match"
                             : mag == "token" ? "learned"
                                              : "none");
  if (windowed) config.max_self_attn_length = 12, config.num_sink_tokens = 3;
  if (!mode.empty()) inject_liza(*model, config);
  move_memories(*model);
  add_random_lora(*model);
  const std::vector<int64_t> full{1 + 20, 1 + 20, 2 + 20, 14 + 20, 50 + 20},
      prompt{1, 1, 2, 14, 50};
  const at::Tensor ids = random_ids(sum(full), model->config.vocab_size);
  const at::Tensor expected = logits(*model, ids, full);

  const auto starts = offsets_of(full);
  std::vector<at::Tensor> prompt_ids, expected_last;
  for (size_t s = 0; s < full.size(); ++s) {
    prompt_ids.push_back(ids.narrow(0, starts[s], prompt[s]));
    expected_last.push_back(expected[starts[s] + prompt[s] - 1].unsqueeze(0));
  }
  DecodeCache cache = make_cache(*model, int64_t(full.size()), 80, Branch::mixed);
  at::Tensor out = logits(*model, at::cat(prompt_ids), prompt, &cache);
  const auto prompt_starts = offsets_of(prompt);
  for (size_t s = 0; s < full.size(); ++s)
    CHECK(relative(out[prompt_starts[s + 1] - 1].unsqueeze(0), expected_last[s]) < 1e-5);

  const std::vector<int64_t> ones(full.size(), 1);
  for (int64_t t = 0; t < 20; ++t) {
    std::vector<at::Tensor> next, want;
    for (size_t s = 0; s < full.size(); ++s) {
      next.push_back(ids.narrow(0, starts[s] + prompt[s] + t, 1));
      want.push_back(expected[starts[s] + prompt[s] + t]);
    }
    out = logits(*model, at::cat(next), ones, &cache);
    for (size_t s = 0; s < full.size(); ++s)
      CHECK((out[int64_t(s)] - want[s]).abs().max().item<double>() <
            1e-4 * expected.abs().max().item<double>());
  }
}

TEST_CASE("sequences that continue a cache are those of the whole text") {
  const c10::AutoGradMode no_grad(false);
  std::vector<std::string> modes = operator_modes();
  modes.push_back("");
  const auto mode = GENERATE_COPY(from_range(modes));
  const bool windowed = GENERATE(false, true);
  const int64_t shared = GENERATE(1, 17, 90);
  INFO(mode << " windowed " << windowed << " after " << shared);
  at::manual_seed(3);
  const auto model = load_tiny("gqa_bias_bf16_sharded");
  LizaConfig config = memory(mode, "learned");
  if (windowed) config.max_self_attn_length = 12, config.num_sink_tokens = 3;
  if (!mode.empty()) inject_liza(*model, config);
  move_memories(*model);
  add_random_lora(*model);
  const auto texts_of = [&](const std::vector<at::Tensor>& texts) {
    std::vector<int64_t> lengths;
    for (const at::Tensor& text : texts) lengths.push_back(text.size(0));
    return logits(*model, at::cat(texts), lengths);
  };
  // The last rows of each text's logits, against those of its new part alone.
  const auto check = [&](const at::Tensor& got, const std::vector<at::Tensor>& texts,
                         const std::vector<int64_t>& added) {
    const at::Tensor whole = texts_of(texts);
    int64_t end = 0, row = 0;
    for (size_t s = 0; s < texts.size(); ++s) {
      end += texts[s].size(0);
      CHECK(relative(got.narrow(0, row, added[s]), whole.narrow(0, end - added[s], added[s])) <
            2e-5);
      row += added[s];
    }
  };
  const auto random = [&](int64_t count) { return random_ids(count, model->config.vocab_size); };

  const at::Tensor prefix = random(shared);
  DecodeCache first = make_cache(*model, 1, shared, Branch::mixed);
  logits(*model, prefix, {shared}, &first);
  const std::vector<int64_t> added{1, 40, 7};
  std::vector<at::Tensor> parts, texts;
  for (const int64_t length : added) {
    parts.push_back(random(length));
    texts.push_back(at::cat({prefix, parts.back()}));
  }
  DecodeCache second = make_cache(*model, 3, shared + 41, Branch::mixed);
  const Past of_first{&first, {0, 0, 0}};
  check(model->logits(model->hidden(at::cat(parts), model->context(added, {}, &second, of_first))),
        texts, added);

  const std::vector<int64_t> rows{2, 1, 1, 0}, more{5, 1, 9, 3};
  std::vector<at::Tensor> ends, longer;
  for (size_t i = 0; i < rows.size(); ++i) {
    ends.push_back(random(more[i]));
    longer.push_back(at::cat({texts[size_t(rows[i])], ends.back()}));
  }
  check(model->logits(
            model->hidden(at::cat(ends), model->context(more, {}, nullptr, {&second, rows}))),
        longer, more);

  std::vector<at::Tensor> next;
  for (at::Tensor& text : texts) {
    next.push_back(random(1));
    text = at::cat({text, next.back()});
  }
  check(logits(*model, at::cat(next), {1, 1, 1}, &second), texts, {1, 1, 1});
}

TEST_CASE("the package's operator decodes as it prefills when chunks are single tokens") {
  const c10::AutoGradMode no_grad(false);
  const auto mode = GENERATE(from_range(package_modes()));
  INFO(mode);
  at::manual_seed(2);
  const auto model = load_tiny("gqa_bias_bf16_sharded");
  LizaConfig config = memory(mode, "constant", "none");
  config.implementation = "tptt";
  config.max_chunk_size = 1;
  config.cross_gate = true;
  inject_liza(*model, config);
  const at::Tensor ids = random_ids(30, model->config.vocab_size);
  const at::Tensor expected = logits(*model, ids, {30});
  DecodeCache cache = make_cache(*model, 1, 30, Branch::mixed);
  at::Tensor out = logits(*model, ids.narrow(0, 0, 10), {10}, &cache);
  for (int64_t t = 10; t < 30; ++t) {
    out = logits(*model, ids.narrow(0, t, 1), {1}, &cache);
    CHECK((out[0] - expected[t]).abs().max().item<double>() <
          1e-4 * expected.abs().max().item<double>());
  }
}

TEST_CASE("another window bounds every layer, with a memory or without") {
  const c10::AutoGradMode no_grad(false);
  const auto model = load_tiny("tied");
  LizaConfig config = memory("delta_rule", "constant");
  config.target_modules = {"layers.1.self_attn"};
  inject_liza(*model, config);
  const at::Tensor ids = random_ids(40, model->config.vocab_size);
  const auto on = [&](Branch branch) {
    return model->head().forward(model->hidden(ids, model->context({40}, {.branch = branch})), {});
  };
  const at::Tensor linear = on(Branch::linear), softmax = on(Branch::softmax);
  set_attention_window(*model, {100, 0});
  CHECK(at::equal(on(Branch::linear), linear));  // wider than the text: layer 0 stays as it was
  set_attention_window(*model, {8, 2});
  CHECK(at::equal(on(Branch::softmax), softmax));
  CHECK_FALSE(at::allclose(on(Branch::window), softmax));
}

TEST_CASE("with mu = 0 the logits are the base model's bit for bit") {
  const c10::AutoGradMode no_grad(false);
  const auto model = load_tiny("llama3_rope");
  const std::vector<int64_t> lengths{5, 70, 1};
  const at::Tensor ids = random_ids(sum(lengths), model->config.vocab_size);
  const at::Tensor base = logits(*model, ids, lengths);
  inject_liza(*model, memory("delta_rule", "constant"));
  CHECK_FALSE(at::equal(logits(*model, ids, lengths), base));
  set_mag_weight(*model, 0);
  CHECK(at::equal(logits(*model, ids, lengths), base));
  const AttentionContext context = model->context(lengths, {.branch = Branch::softmax});
  set_mag_weight(*model, 0.5);
  CHECK(at::equal(model->head().forward(model->hidden(ids, context), {}), base));
}

TEST_CASE("branches: mu 0 with and without the window, mu 1") {
  const c10::AutoGradMode no_grad(false);
  const auto model = load_tiny("gqa_bias_bf16_sharded");
  const at::Tensor ids = random_ids(60, model->config.vocab_size);
  const auto on = [&](Branch branch) {
    const AttentionContext context = model->context({60}, {.branch = branch});
    return model->head().forward(model->hidden(ids, context), {});
  };
  const at::Tensor base = on(Branch::mixed);
  LizaConfig config = memory("delta_rule", "constant");
  config.max_self_attn_length = 10, config.num_sink_tokens = 2;
  inject_liza(*model, config);
  CHECK(at::equal(on(Branch::softmax), base));
  const at::Tensor window = on(Branch::window), mixed = on(Branch::mixed);
  CHECK(at::equal(window.narrow(0, 0, 10), base.narrow(0, 0, 10)));
  CHECK_FALSE(at::allclose(window.narrow(0, 20, 40), base.narrow(0, 20, 40)));
  CHECK_FALSE(at::allclose(mixed, window));
  set_mag_weight(*model, 0);
  CHECK(at::equal(on(Branch::mixed), window));
  set_mag_weight(*model, 1);
  CHECK(at::equal(on(Branch::mixed), on(Branch::linear)));
}

TEST_CASE("cross_gate and base_scale_attn mix the projected branches") {
  const c10::AutoGradMode no_grad(false);
  const bool cross = GENERATE(false, true), scale = GENERATE(false, true);
  LizaLayer layer;
  layer.config.cross_gate = cross, layer.config.base_scale_attn = scale;
  layer.mag_weight = 0.3;
  CHECK(mixes_projected(layer.config) == (cross || scale));
  const at::Tensor soft = at::randn({5, 8}), lin = at::randn({5, 8});
  const at::Tensor size = scale ? (soft * soft).mean(-1, true).add(1e-5).sqrt() : at::ones({5, 1});
  at::Tensor expected = 0.7 * soft + 0.3 * lin * size;
  if (cross) expected = expected + (0.7 * soft) * (0.3 * lin * size);
  CHECK(relative(mag_mix_projected(layer, soft, lin, false), expected) < 1e-6);
  CHECK(relative(mag_mix_projected(layer, soft, lin, true), lin * size) < 1e-6);
}

TEST_CASE("target_modules chooses the layers") {
  const auto model = load_tiny("tied");
  LizaConfig config = memory("delta_rule", "learned");
  config.target_modules = {"layers.1.self_attn"};
  inject_liza(*model, config);
  CHECK_FALSE(model->attention(0).liza.has_value());
  REQUIRE(model->attention(1).liza.has_value());
  REQUIRE(trainables(*model).size() == 1);
  CHECK(trainables(*model)[0].name == "model.layers.1.self_attn.liza.gate");
  config.target_modules = {"layers.7.self_attn"};
  CHECK_THROWS_WITH(inject_liza(*model, config),
                    Catch::Matchers::Contains("no module of this model is named "
                                              "'layers.7.self_attn'"));
}

TEST_CASE("a sequence sees nothing of its neighbours in the pack") {
  const c10::AutoGradMode no_grad(false);
  const auto model = load_tiny("gqa_bias_bf16_sharded");
  LizaConfig config = memory(GENERATE(from_range(operator_modes())), "constant");
  if (GENERATE(false, true)) config.max_self_attn_length = 8;
  inject_liza(*model, config);
  const std::vector<int64_t> lengths{40, 33, 17};
  const at::Tensor ids = random_ids(sum(lengths), model->config.vocab_size);
  const at::Tensor before = logits(*model, ids, lengths);
  at::Tensor changed = ids.clone();
  changed.narrow(0, 0, 40).copy_(random_ids(40, model->config.vocab_size));
  changed.narrow(0, 73, 17).copy_(random_ids(17, model->config.vocab_size));
  const at::Tensor after = logits(*model, changed, lengths);
  CHECK_FALSE(at::equal(after.narrow(0, 0, 40), before.narrow(0, 0, 40)));
  CHECK(at::equal(after.narrow(0, 40, 33), before.narrow(0, 40, 33)));
}

TEST_CASE("a fresh adapter changes nothing and is initialised as PEFT does") {
  const c10::AutoGradMode no_grad(false);
  const auto model = load_tiny("tied");
  const at::Tensor ids = random_ids(9, model->config.vocab_size);
  const at::Tensor base = logits(*model, ids, {9});
  LoraConfig config;
  config.target_modules = {{}, kAllLinear};
  add_lora(*model, config, 1);
  CHECK(at::equal(logits(*model, ids, {9}), base));
  const auto all = trainables(*model);
  CHECK(all.size() == 2 * 2 * 7);
  for (const Trainable& t : all) {
    INFO(t.name);
    CHECK(t.tensor.scalar_type() == at::kFloat);
    if (t.name.find("lora_B") != std::string::npos) {
      CHECK(t.tensor.abs().max().item<double>() == 0);
    } else {
      const double bound = 1 / std::sqrt(double(t.tensor.size(1)));
      CHECK(t.tensor.abs().max().item<double>() <= bound);
      CHECK(t.tensor.abs().max().item<double>() > 0.9 * bound);
    }
  }
}

TEST_CASE("a bfloat16 base keeps adapter and gates in float32") {
  const c10::AutoGradMode no_grad(false);
  const auto single = load_tiny("gqa_bias_bf16_sharded"),
             half = load_tiny("gqa_bias_bf16_sharded", at::kBFloat16);
  for (const auto& model : {single.get(), half.get()}) {
    inject_liza(*model, memory("delta_rule", "learned"));
    add_random_lora(*model);
  }
  for (const Trainable& t : trainables(*half)) CHECK(t.tensor.scalar_type() == at::kFloat);
  const at::Tensor ids = random_ids(50, single->config.vocab_size);
  const at::Tensor out = logits(*half, ids, {50});
  CHECK(out.scalar_type() == at::kBFloat16);
  CHECK(relative(out, logits(*single, ids, {50})) < 0.03);
}
