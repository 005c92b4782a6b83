#include "models/llama.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>

#include "models/mlp.h"
#include "models/rms_norm.h"

namespace tptt {
namespace {

struct LlamaLayer {
  at::Tensor input_norm, post_attention_norm;  // [E]
  Attention attention;
  Mlp mlp;
};

void describe(Linear& linear, const std::string& name, int64_t in, int64_t out) {
  linear.name = name;
  linear.in = in;
  linear.out = out;
}

class Llama final : public CausalLM {
 public:
  explicit Llama(const ModelConfig& c) : CausalLM(c), layers_(c.num_hidden_layers) {
    const int64_t q_size = c.num_attention_heads * c.head_dim;
    const int64_t kv_size = c.num_key_value_heads * c.head_dim;
    for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
      const std::string prefix = "model.layers." + std::to_string(i);
      Attention& a = layers_[i].attention;
      a.name = prefix + ".self_attn";
      a.layer = i;
      a.num_heads = c.num_attention_heads;
      a.num_kv_heads = c.num_key_value_heads;
      a.head_dim = c.head_dim;
      describe(a.q_proj, prefix + ".self_attn.q_proj", c.hidden_size, q_size);
      describe(a.k_proj, prefix + ".self_attn.k_proj", c.hidden_size, kv_size);
      describe(a.v_proj, prefix + ".self_attn.v_proj", c.hidden_size, kv_size);
      describe(a.o_proj, prefix + ".self_attn.o_proj", q_size, c.hidden_size);
      Mlp& m = layers_[i].mlp;
      describe(m.gate_proj, prefix + ".mlp.gate_proj", c.hidden_size, c.intermediate_size);
      describe(m.up_proj, prefix + ".mlp.up_proj", c.hidden_size, c.intermediate_size);
      describe(m.down_proj, prefix + ".mlp.down_proj", c.intermediate_size, c.hidden_size);
    }
    describe(head_, "lm_head", c.hidden_size, c.vocab_size);
  }

  at::Tensor embed(const at::Tensor& ids) const override { return at::embedding(embedding_, ids); }

  at::Tensor layer(int64_t i, const at::Tensor& x, const AttentionContext& context) const override {
    const LlamaLayer& l = layers_[i];
    const double eps = config.rms_norm_eps;
    const at::Tensor h = x + l.attention.forward(rms_norm(x, l.input_norm, eps), context);
    return h + l.mlp.forward(rms_norm(h, l.post_attention_norm, eps), context.dropout);
  }

  at::Tensor norm(const at::Tensor& x) const override {
    return rms_norm(x, norm_, config.rms_norm_eps);
  }

  const Linear& head() const override { return head_; }

  std::vector<Linear*> linears() override {
    std::vector<Linear*> all;
    for (auto& l : layers_) {
      for (Linear* linear : attention_linears(l)) all.push_back(linear);
      for (Linear* linear : mlp_linears(l)) all.push_back(linear);
    }
    all.push_back(&head_);
    return all;
  }

  const Attention& attention(int64_t i) const override { return layers_[i].attention; }

  std::vector<Attention*> attentions() override {
    std::vector<Attention*> all;
    for (auto& l : layers_) all.push_back(&l.attention);
    return all;
  }

  std::vector<BaseParameter> base_parameters() override {
    std::vector<BaseParameter> all;
    all.push_back(
        {"model.embed_tokens.weight", &embedding_, {config.vocab_size, config.hidden_size}});
    for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
      LlamaLayer& l = layers_[i];
      const std::string prefix = "model.layers." + std::to_string(i);
      all.push_back({prefix + ".input_layernorm.weight", &l.input_norm, {config.hidden_size}});
      all.push_back({prefix + ".post_attention_layernorm.weight",
                     &l.post_attention_norm,
                     {config.hidden_size}});
      for (Linear* linear : attention_linears(l)) add(all, *linear, config.attention_bias);
      for (Linear* linear : mlp_linears(l)) add(all, *linear, config.mlp_bias);
    }
    all.push_back({"model.norm.weight", &norm_, {config.hidden_size}});
    add(all, head_, false);
    return all;
  }

 private:
  static std::vector<Linear*> attention_linears(LlamaLayer& l) {
    Attention& a = l.attention;
    return {&a.q_proj, &a.k_proj, &a.v_proj, &a.o_proj};
  }
  static std::vector<Linear*> mlp_linears(LlamaLayer& l) {
    return {&l.mlp.gate_proj, &l.mlp.up_proj, &l.mlp.down_proj};
  }
  static void add(std::vector<BaseParameter>& all, Linear& linear, bool bias) {
    all.push_back({linear.name + ".weight", &linear.weight, {linear.out, linear.in}});
    if (bias) all.push_back({linear.name + ".bias", &linear.bias, {linear.out}});
  }

  at::Tensor embedding_;  // [V, E]
  std::vector<LlamaLayer> layers_;
  at::Tensor norm_;  // [E]
  Linear head_;
};

}  // namespace

std::unique_ptr<CausalLM> make_llama(const ModelConfig& config) {
  return std::make_unique<Llama>(config);
}

}  // namespace tptt
