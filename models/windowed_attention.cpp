#include "models/windowed_attention.h"

#include <ATen/OpMathType.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>

#include "models/host_tensor.h"
#include "models/kernels/attention.h"
#include "models/kernels/dispatch.h"

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Keys i [T] that queries at t [.., L, 1] see.
at::Tensor seen_keys(const at::Tensor& t, const at::Tensor& i, const AttentionWindow& window) {
  const at::Tensor seen = i.le(t);
  if (window.length > 0) seen.logical_and_(i.gt(t - window.length).logical_or_(i.lt(window.sinks)));
  return seen;
}

// The same for queries behind `before`[s] keys: [S, 1, L, T].
at::Tensor seen_behind(const std::vector<int64_t>& before, const at::Tensor& q, const at::Tensor& k,
                       const AttentionWindow& window) {
  const at::Tensor first = host_tensor(before, q.device()).view({-1, 1, 1, 1});
  const at::Tensor t = first + at::arange(q.size(2), first.options()).unsqueeze(1);
  return seen_keys(t, at::arange(k.size(2), first.options()), window);
}

// Queries begin .. begin + count see keys 0 .. sinks and first .. end.
struct Block {
  int64_t begin, count, sinks, first, end;
};

std::vector<Block> make_blocks(int64_t length, const AttentionWindow& window) {
  const int64_t reach = window.length > 0 ? window.length : length;
  const int64_t size = std::clamp<int64_t>(reach / 2, 64, 256);
  std::vector<Block> blocks;
  for (int64_t begin = 0; begin < length; begin += size) {
    const int64_t count = std::min(size, length - begin), end = begin + count;
    const int64_t first = std::max<int64_t>(0, begin - reach + 1);
    const bool apart = first > window.sinks;
    blocks.push_back({begin, count, apart ? window.sinks : 0, apart ? first : 0, end});
  }
  return blocks;
}

at::Tensor keys_of(const Block& b, const at::Tensor& x) {
  const at::Tensor near = x.narrow(2, b.first, b.end - b.first);
  return b.sinks > 0 ? at::cat({x.narrow(2, 0, b.sinks), near}, 2) : near;
}

struct Softmax {
  AttentionWindow window;
  ScoreConfig score;
};

void save(AutogradContext* ctx, const Softmax& softmax) {
  ctx->saved_data["length"] = softmax.window.length;
  ctx->saved_data["sinks"] = softmax.window.sinks;
  ctx->saved_data["scaling"] = softmax.score.scaling;
  ctx->saved_data["softcapping"] = softmax.score.softcapping;
}

Softmax saved_softmax(AutogradContext* ctx) {
  return {{ctx->saved_data["length"].toInt(), ctx->saved_data["sinks"].toInt()},
          {ctx->saved_data["scaling"].toDouble(), ctx->saved_data["softcapping"].toDouble()}};
}

at::Tensor block_forward(const Block& b, const Softmax& softmax, const at::Tensor& q,
                         const at::Tensor& k, const at::Tensor& v) {
  const auto options = at::TensorOptions().dtype(at::kLong).device(q.device());
  const at::Tensor t = at::arange(b.begin, b.begin + b.count, options).unsqueeze(1);
  at::Tensor i = at::arange(b.first, b.end, options);
  if (b.sinks > 0) i = at::cat({at::arange(b.sinks, options), i});
  return masked_attention(q, k, v, seen_keys(t, i, softmax.window), softmax.score);
}

struct WindowedAttention : torch::autograd::Function<WindowedAttention> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const Softmax& softmax) {
    ctx->save_for_backward({q, k, v});
    save(ctx, softmax);
    at::Tensor o = at::empty_like(q, at::MemoryFormat::Contiguous);
    for (const Block& b : make_blocks(q.size(2), softmax.window))
      o.narrow(2, b.begin, b.count)
          .copy_(block_forward(b, softmax, q.narrow(2, b.begin, b.count), keys_of(b, k),
                               keys_of(b, v)));
    return o;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Softmax softmax = saved_softmax(ctx);
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2];
    // Sinks gather from every block: summed in float32 at least.
    const auto wide = k.options().dtype(at::toOpMathType(k.scalar_type()));
    at::Tensor gq = at::empty_like(q), gk = at::zeros_like(k, wide), gv = at::zeros_like(v, wide);
    for (const Block& b : make_blocks(q.size(2), softmax.window)) {
      const auto leaf = [](const at::Tensor& x) { return x.detach().requires_grad_(true); };
      const variable_list in{leaf(q.narrow(2, b.begin, b.count)), leaf(keys_of(b, k)),
                             leaf(keys_of(b, v))};
      c10::AutoGradMode with_grad(true);
      const auto g = torch::autograd::grad({block_forward(b, softmax, in[0], in[1], in[2])}, in,
                                           {grads[0].narrow(2, b.begin, b.count)});
      c10::AutoGradMode without_grad(false);
      gq.narrow(2, b.begin, b.count).copy_(g[0]);
      add_keys(b, gk, g[1]);
      add_keys(b, gv, g[2]);
    }
    return {gq, gk.to(k.scalar_type()), gv.to(v.scalar_type()), {}};
  }

  static void add_keys(const Block& b, const at::Tensor& all, const at::Tensor& part) {
    if (b.sinks > 0) all.narrow(2, 0, b.sinks).add_(part.narrow(2, 0, b.sinks));
    all.narrow(2, b.first, b.end - b.first).add_(part.narrow(2, b.sinks, b.end - b.first));
  }
};

struct CpuAttention : torch::autograd::Function<CpuAttention> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const Softmax& softmax) {
    const auto [o, lse] = tiled_attention(q, k, v, softmax.window, softmax.score, {});
    ctx->save_for_backward({q, k, v, o, lse});
    save(ctx, softmax);
    return o;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Softmax softmax = saved_softmax(ctx);
    const auto g = tiled_attention_backward(grads[0], saved[0], saved[1], saved[2],
                                            {saved[3], saved[4]}, softmax.window, softmax.score);
    return {g.q, g.k, g.v, {}};
  }
};

}  // namespace

at::Tensor masked_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& seen, const ScoreConfig& score) {
  const int64_t groups = k.size(1);
  if (score.softcapping == 0)
    return at::scaled_dot_product_attention(q, k, v, seen, 0.0, false, score.scaling,
                                            /*enable_gqa=*/q.size(1) != groups);
  const at::Tensor grouped = q.unflatten(1, {groups, -1});  // [S, G, H/G, L, D]
  const at::Tensor raw = at::matmul(grouped, k.unsqueeze(2).transpose(-1, -2)) * score.scaling;
  const at::Tensor capped = at::tanh(raw / score.softcapping) * score.softcapping;
  const at::Tensor hidden = seen.logical_not();
  const at::Tensor masked = capped.masked_fill(seen.dim() > 2 ? hidden.unsqueeze(1) : hidden,
                                               -std::numeric_limits<double>::infinity());
  const at::Tensor p =
      at::softmax(masked, -1, at::toOpMathType(v.scalar_type())).to(v.scalar_type());
  return at::matmul(p, v.unsqueeze(2)).flatten(1, 2);
}

at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const AttentionWindow& window, const ScoreConfig& score,
                            const std::vector<int64_t>& before) {
  const bool windowed = window.length > 0 && k.size(2) > window.length;
  const Softmax softmax{windowed ? window : AttentionWindow(), score};
  if (!before.empty()) {
    if (has_cpu_kernel(q)) return tiled_attention(q, k, v, softmax.window, score, before).o;
    return masked_attention(q, k, v, seen_behind(before, q, k, softmax.window), score);
  }
  if (has_cpu_kernel(q)) return CpuAttention::apply(q, k, v, softmax);
  if (windowed || score.softcapping > 0) return WindowedAttention::apply(q, k, v, softmax);
  return at::scaled_dot_product_attention(q, k, v, {}, 0.0, /*is_causal=*/true, score.scaling,
                                          /*enable_gqa=*/q.size(1) != k.size(1));
}

}  // namespace tptt
