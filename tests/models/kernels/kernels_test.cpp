#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/roll.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "models/dropout.h"
#include "models/kernels/argmax.h"
#include "models/kernels/attention.h"
#include "models/kernels/cross_entropy.h"
#include "models/kernels/decode_attention.h"
#include "models/kernels/few_rows.h"
#include "models/kernels/gated.h"
#include "models/kernels/gated_mix.h"
#include "models/kernels/gemm.h"
#include "models/kernels/low_rank.h"
#include "models/kernels/matched_mix.h"
#include "models/kernels/normed_silu.h"
#include "models/kernels/pooled_gate.h"
#include "models/kernels/rms_norm.h"
#include "models/kernels/rotary.h"

using namespace tptt;

namespace {

// bfloat16 keeps 8 bits; a sum of many rounded numbers is a little further off.
double bound(at::ScalarType type) {
  return type == at::kFloat ? 2e-6 : 8e-3;
}

// By the largest of `b`, which is what float64 gives.
double apart(const at::Tensor& a, const at::Tensor& b) {
  return ((a.to(at::kDouble) - b.to(at::kDouble)).abs().max() / b.abs().max().to(at::kDouble))
      .item<double>();
}

at::Tensor normal(at::IntArrayRef shape) {  // the same in every run
  static at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(5);
  return at::empty(shape).normal_(0, 1, generator);
}

// A tensor of the type and the same numbers in float64, which has no kernel here.
std::pair<at::Tensor, at::Tensor> numbers(at::IntArrayRef shape, at::ScalarType type) {
  const at::Tensor x = normal(shape).to(type);
  return {x, x.to(at::kDouble)};
}

at::Tensor wide(const at::Tensor& x) {
  return x.to(at::kDouble);
}

}  // namespace

TEST_CASE("RMS norms and their gradients are those of the operators") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const int64_t size = GENERATE(1, 24, 577);
  INFO(type << " " << size);
  const auto [x, x64] = numbers({5, size}, type);
  const auto [g, g64] = numbers({5, size}, type);
  const at::Tensor w = normal({size});  // float32 for either type
  const auto [y, r] = rms_norm_forward(x, w, 1e-5);
  const auto [y64, r64] = rms_norm_forward(x64, w.to(at::kDouble), 1e-5);
  REQUIRE(y.scalar_type() == type);
  CHECK(apart(y, y64) < bound(type));
  CHECK(apart(r, r64) < bound(at::kFloat));
  const at::Tensor dx = rms_norm_backward(g, x, w, r);
  if (size == 1) return;  // its gradient is all cancellation
  CHECK(apart(dx, rms_norm_backward(g64, x64, w.to(at::kDouble), r64)) < bound(type));
}

TEST_CASE("gated activations take halves of one projection") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const auto [both, both64] = numbers({7, 2 * 41}, type);
  const auto [g, g64] = numbers({7, 41}, type);
  const at::Tensor wide = both * 20, wide64 = wide.to(at::kDouble);  // far into both tails
  for (const auto& [x, x64] : {std::pair(both, both64), std::pair(wide, wide64)}) {
    const auto half = x.chunk(2, 1), half64 = x64.chunk(2, 1);
    CHECK(apart(gated_forward(half[0], half[1], "silu"),
                gated_forward(half64[0], half64[1], "silu")) < bound(type));
    const auto [dgate, dup] = gated_backward(g, half[0], half[1], "silu");
    const auto [dgate64, dup64] = gated_backward(g64, half64[0], half64[1], "silu");
    CHECK(apart(dgate, dgate64) < bound(type));
    CHECK(apart(dup, dup64) < bound(type));
  }
}

TEST_CASE("rotations of heads that lie apart go there and back") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const auto [all, all64] = numbers({6, 5, 20}, type);
  const at::Tensor angle = normal({6, 1, 8});  // 4 of 20 numbers are not turned
  const at::Tensor x = all.narrow(1, 1, 3), x64 = all64.narrow(1, 1, 3);
  const at::Tensor y = rotate_halves(x, angle.cos(), angle.sin(), 1);
  CHECK(apart(y, rotate_halves(x64, angle.cos(), angle.sin(), 1)) < bound(type));
  CHECK(apart(rotate_halves(y, angle.cos(), angle.sin(), -1), x64) < bound(type));
}

TEST_CASE("dropout's masks are random in every direction that a product sums over") {
  const at::Tensor x = normal({512, 513});
  const auto mask = [&](const DropoutKey& key, uint64_t module, double p = 0.3) {
    return kept_by(mask_of(p, key, module), x).to(at::kDouble);
  };
  const DropoutKey key{42, 7, 0};
  const double deviation = std::sqrt(0.3 * 0.7 / double(x.numel()));
  const auto mean_of = [](const at::Tensor& t) { return t.mean().item<double>(); };
  const at::Tensor one = mask(key, 3);
  CHECK(std::abs(mean_of(one) - 0.7) < 5 * deviation);
  CHECK(std::abs(mean_of(mask(key, 3, 0.05)) - 0.95) <
        5 * std::sqrt(0.05 * 0.95 / double(x.numel())));
  // By rows and columns: as far from 0.7 as chance takes 512 or 513 draws.
  for (const int64_t dim : {0, 1}) {
    const double spread = (one.mean(dim) - 0.7).square().mean().sqrt().item<double>();
    CHECK(spread == Approx(std::sqrt(0.3 * 0.7 / double(x.size(dim)))).epsilon(0.15));
  }
  // With itself moved, with other modules, steps and micro-batches: no correlation.
  const at::Tensor a = (one - 0.7) / std::sqrt(0.3 * 0.7);
  const auto correlated = [&](const at::Tensor& other) {
    return std::abs(mean_of(a * ((other - 0.7) / std::sqrt(0.3 * 0.7)))) *
           std::sqrt(double(x.numel()));
  };
  for (const int64_t shift : {1, 2, 3, 16, 64, 128, 513, 1024, 100000})
    CHECK(correlated(one.flatten().roll(shift).view(x.sizes())) < 5);
  CHECK(correlated(mask(key, 4)) < 5);
  CHECK(correlated(mask({42, 8, 0}, 3)) < 5);
  CHECK(correlated(mask({42, 7, 1}, 3)) < 5);
  CHECK(correlated(mask({43, 7, 0}, 3)) < 5);
}

TEST_CASE("rows of logits become the gradient of their cross-entropy") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const double cap = GENERATE(0.0, 3.0);
  const Level level = GENERATE(from_range(levels()));
  INFO(type << " cap " << cap << " level " << int(level));
  const at::Tensor logits = (normal({4, 1003}) * 4).to(type);
  const at::Tensor targets = at::randint(1003, {4}, at::kLong);
  at::Tensor mine = logits.clone(), theirs = logits.to(at::kDouble);
  const at::Tensor loss = cross_entropy_rows_(mine, targets, cap, true, level);
  const at::Tensor loss64 = cross_entropy_rows_(theirs, targets, cap, true);
  CHECK(apart(loss, loss64) < bound(at::kFloat));
  CHECK(apart(mine, theirs) < bound(type));
  at::Tensor again = logits.clone();
  CHECK(cross_entropy_rows_(again, targets, cap, false, level).equal(loss));
  // What the operators give is softmax - onehot, and nothing of it is lost far from the target.
  if (cap > 0) return;
  const at::Tensor p = at::softmax(logits.to(at::kDouble), 1);
  CHECK(apart(theirs.sum(1) + 1, normal({4}).fill_(1)) < 1e-5);
  CHECK(apart(mine.scatter(1, targets.unsqueeze(1), 0), p.scatter(1, targets.unsqueeze(1), 0)) <
        bound(type));
}

TEST_CASE("a loss that is not a number stays so") {
  at::Tensor logits = normal({2, 40});
  logits[1][17] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor loss = cross_entropy_rows_(logits, at::arange(2), 0, true);
  CHECK(loss[0].isfinite().item<bool>());
  CHECK(loss[1].isnan().item<bool>());
}

TEST_CASE("few rows are multiplied as many are") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const int64_t rows = GENERATE(1, 4), out = GENERATE(3, 130, 1130);
  const auto [x, x64] = numbers({rows, 70}, type);
  const auto [w, w64] = numbers({out, 70}, type);
  const auto [v, v64] = numbers({37, 70}, type);
  const FrozenWeight first{w, {}}, second{v, {}};
  CHECK_FALSE(has_few_rows(x, first));  // a gradient may be asked for
  c10::AutoGradMode no_grad(false);
  REQUIRE(has_few_rows(x, first));
  const auto ys = few_rows_mm(x, {&first, &second});
  CHECK(apart(ys[0], at::mm(x64, w64.t())) < bound(type));
  CHECK(apart(ys[1], at::mm(x64, v64.t())) < bound(type));
}

// Where the blocks of a type have their halves.
std::vector<int64_t> scale_bytes(FileType type) {
  switch (type) {
    case FileType::Q4_1:
    case FileType::Q5_1:
    case FileType::Q4_K:
    case FileType::Q5_K:
      return {0, 2};
    case FileType::Q2_K:
      return {80, 82};
    case FileType::Q3_K:
      return {108};
    case FileType::Q6_K:
      return {208};
    default:
      return {0};
  }
}

// Random blocks with scales that are ordinary numbers.
FrozenWeight random_blocks(const FileTypeInfo& type, int64_t rows, int64_t in) {
  FrozenWeight weight;
  weight.type = type.type;
  weight.in = in;
  const int64_t blocks = rows * in / type.block;
  at::Tensor bytes = at::randint(0, 256, {blocks, type.block_bytes}, at::kByte);
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t exponent = i % 20 == 7 ? 0 : 0x28;  // also of halves below the normal ones
    for (const int64_t at : scale_bytes(type.type)) bytes[i][at + 1] = exponent | (i + at) % 4;
  }
  weight.blocks = bytes.view({rows, in / type.block * type.block_bytes});
  return weight;
}

TEST_CASE("few rows are multiplied by blocks as they are decoded") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const int64_t rows = GENERATE(1, 3);
  for (const FileTypeInfo& blocks : file_types()) {
    if (blocks.block == 1) continue;
    INFO(type << " " << blocks.name);
    const int64_t in = 3 * blocks.block;  // an odd number of blocks
    const auto [x, x64] = numbers({rows, in}, type);
    const FrozenWeight weight = random_blocks(blocks, 130, in);
    c10::AutoGradMode no_grad(false);
    REQUIRE(has_few_rows(x, weight));
    const at::Tensor w64 = to_dense(weight, at::kFloat).to(at::kDouble);
    REQUIRE(w64.isfinite().all().item<bool>());
    CHECK(apart(few_rows_mm(x, {&weight})[0], at::mm(x64, w64.t())) < bound(type));
    const auto [v, v64] = numbers({950, in}, type);  // several tasks
    const FrozenWeight dense{v, {}};
    const auto ys = few_rows_mm(x, {&dense, &weight, &dense});
    CHECK(apart(ys[0], at::mm(x64, v64.t())) < bound(type));
    CHECK(apart(ys[1], at::mm(x64, w64.t())) < bound(type));
    CHECK(apart(ys[2], at::mm(x64, v64.t())) < bound(type));
  }
}

TEST_CASE("a query attends to as many stored keys as it sees") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const int64_t width = GENERATE(5, 16, 70, 128);
  const double cap = GENERATE(0.0, 2.0);
  INFO(type << " " << width << " " << cap);
  const auto [q, q64] = numbers({2, 6, width}, type);
  const auto [k, k64] = numbers({2, 3, 40, width}, type);
  const auto [v, v64] = numbers({2, 3, 40, width}, type);
  const std::vector<int64_t> seen{33, 1};
  const at::Tensor o = decode_attention(q, k, v, seen, {0.3, cap});
  for (int64_t s = 0; s < 2; ++s) {
    const auto stored = [&](const at::Tensor& x) {  // [6, seen, width]
      return x[s].narrow(1, 0, seen[size_t(s)]).repeat_interleave(2, 0);
    };
    at::Tensor scores = at::bmm(stored(k64), q64[s].unsqueeze(2)) * 0.3;  // [6, seen, 1]
    if (cap > 0) scores = at::tanh(scores / cap) * cap;
    const at::Tensor weighed = (at::softmax(scores, 1) * stored(v64)).sum(1);
    CHECK(apart(o[s], weighed) < bound(type));
  }
}

TEST_CASE("the largest of a row is the first of equals") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16, at::kDouble);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  at::Tensor x = at::full({4, 150}, -3.5).to(type);
  x[0][149] = 2, x[1][40] = 1, x[1][77] = 1;
  x[3].fill_(-infinity);
  CHECK(argmax_rows(x) == std::vector<int64_t>{149, 40, 0, 0});
  if (type == at::kDouble) return;  // the library's own finds NaN first
  x[0][3] = nan, x[1].fill_(nan);
  CHECK(argmax_rows(x) == std::vector<int64_t>{149, 0, 0, 0});
}

TEST_CASE("LoRA's products are those of matrices") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16, at::kDouble);  // the last by operators
  const int64_t rows = GENERATE(1, 6, 131), size = GENERATE(3, 577), r = GENERATE(1, 8, 66);
  INFO(type << " " << rows << " x " << size << ", r " << r);
  const auto [x, x64] = numbers({rows, size}, type);
  const auto [y, y64] = numbers({rows, size}, type);
  const at::Tensor m = normal({r, size}), h = normal({rows, r});
  const at::Tensor m64 = m.to(at::kDouble), h64 = h.to(at::kDouble);
  const double exact = bound(at::kFloat) * 4;  // sums of hundreds
  const DropoutMask mask = GENERATE(DropoutMask(), mask_of(0.3, {3, 1ull << 33, 5}, 7));
  const at::Tensor kept = kept_by(mask, x);
  CHECK(apart(low_rank_down(x, m, mask), at::mm(x64 * kept, m64.t())) < exact);
  CHECK(apart(low_rank_outer(h, x, mask), at::mm(h64.t(), x64 * kept)) < exact);
  const at::Tensor sum = y64 + at::mm(h64, m64) * kept * 0.7;
  low_rank_up_(y, h, m, 0.7, mask);
  CHECK(apart(y, sum) < (type == at::kBFloat16 ? bound(type) : exact));
}

TEST_CASE("products by panels are those of matrices, in every version of the machine's") {
  const auto a_type = GENERATE(at::kFloat, at::kBFloat16);
  const auto b_type = GENERATE(at::kFloat, at::kBFloat16);
  const auto [m, k, n] =
      GENERATE(std::array<int64_t, 3>{1, 1, 1}, std::array<int64_t, 3>{13, 70, 61},
               std::array<int64_t, 3>{131, 800, 96}, std::array<int64_t, 3>{1030, 33, 50},
               std::array<int64_t, 3>{131, 8200, 200});  // several panels at a time
  const auto [a, a64] = numbers({m, k}, a_type);
  const auto [wide, wide64] = numbers({k + 3, n + 5}, b_type);  // rows that lie apart
  const at::Tensor b = wide.narrow(0, 3, k).narrow(1, 5, n);
  const at::Tensor b64 = wide64.narrow(0, 3, k).narrow(1, 5, n);
  const auto [before, before64] = numbers({m, n}, a_type);
  const double close = a_type == at::kFloat ? 1e-5 : bound(a_type);
  for (const Level level : levels()) {
    INFO(a_type << " " << b_type << " " << m << " x " << k << " x " << n << ", level "
                << int(level));
    at::Tensor c = at::empty({m, n}, a.options()).fill_(std::numeric_limits<float>::quiet_NaN());
    gemm(c, a, b, {}, level);
    CHECK(apart(c, at::mm(a64, b64)) < close);
    const at::Tensor turned = b.t().contiguous();
    gemm(c, a, turned, {.transposed = true}, level);
    CHECK(apart(c, at::mm(a64, b64)) < close);
    c = before.clone();
    gemm(c, a, b, {.add = true}, level);
    CHECK(apart(c, before64 + at::mm(a64, b64)) < close);
  }
}

TEST_CASE("a long product's roundings do not add up in one chain") {
  const auto [a, a64] = numbers({6, 49152}, at::kFloat);
  const auto [b, b64] = numbers({49152, 16}, at::kFloat);
  const at::Tensor exact = at::mm(a64, b64);
  for (const Level level : levels()) {
    at::Tensor c = at::empty({6, 16}, a.options());
    gemm(c, a, b, {}, level);
    CHECK((c - exact).norm().item<double>() < 1e-6 * exact.norm().item<double>());
  }
}

TEST_CASE("attention in tiles is the same in every version of the machine's") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const int64_t length = GENERATE(1, 97, 431), width = GENERATE(5, 64, 80);
  const AttentionWindow window = GENERATE(AttentionWindow{}, AttentionWindow{70, 3});
  const int64_t values = window.length > 0 ? width : 6;  // operators want one width for a window
  const ScoreConfig score{0.3, 0};
  INFO(type << " length " << length << " widths " << width << ", " << values << " window "
            << window.length);
  const at::Tensor q = normal({1, 4, length, width}).to(type),
                   k = normal({1, 2, length, width}).to(type);
  const at::Tensor v = normal({1, 2, length, values}).to(type),
                   g = normal({1, 4, length, values}).to(type);
  std::vector<at::Tensor> in{wide(q), wide(k), wide(v)};
  for (at::Tensor& x : in) x.requires_grad_(true);
  const at::Tensor o = causal_attention(in[0], in[1], in[2], window, score);  // by operators
  o.backward(wide(g));
  for (const Level level : levels()) {
    INFO("level " << int(level));
    const TiledAttention got = tiled_attention(q, k, v, window, score, {}, level);
    CHECK(apart(got.o, o.detach()) < 5 * bound(type));
    const auto grads = tiled_attention_backward(g, q, k, v, got, window, score, level);
    if (length == 1) continue;  // its weight is 1: no gradient by q and k
    CHECK(apart(grads.q, in[0].grad()) < 5 * bound(type));
    CHECK(apart(grads.k, in[1].grad()) < 5 * bound(type));
    CHECK(apart(grads.v, in[2].grad()) < 5 * bound(type));
  }
}

TEST_CASE("attention behind keys of the past is the same in every version") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const AttentionWindow window = GENERATE(AttentionWindow{}, AttentionWindow{70, 3});
  const int64_t length = GENERATE(1, 20, 130), most = 250;
  const std::vector<int64_t> before{0, 33, most};
  INFO(type << " length " << length << " window " << window.length);
  const at::Tensor q = normal({3, 4, length, 64}).to(type);
  const at::Tensor k = normal({3, 2, most + length, 64}).to(type),
                   v = normal({3, 2, most + length, 64}).to(type);
  const ScoreConfig score{0.3, 0};
  for (const Level level : levels()) {
    INFO("level " << int(level));
    const at::Tensor got = tiled_attention(q, k, v, window, score, before, level).o;
    for (int64_t s = 0; s < 3; ++s) {
      const int64_t keys = before[size_t(s)] + length;
      const auto of = [&](const at::Tensor& x) { return wide(x.narrow(0, s, 1)); };
      const at::Tensor padding = at::zeros({1, 4, before[size_t(s)], 64}, at::kDouble);
      const at::Tensor want =
          causal_attention(at::cat({padding, of(q)}, 2), of(k).narrow(2, 0, keys),
                           of(v).narrow(2, 0, keys), window, score);
      CHECK(apart(got.narrow(0, s, 1), want.narrow(2, before[size_t(s)], length)) <
            5 * bound(type));
      const at::Tensor operators =
          causal_attention(of(q), of(k), of(v), window, score, {before[size_t(s)]});
      CHECK(apart(operators, want.narrow(2, before[size_t(s)], length)) < 1e-12);
    }
  }
}

// The memory's loops have no versions in operators here: autograd of the formulas is the reference.
namespace {

at::Tensor gradient(const at::Tensor& y, const at::Tensor& x, const at::Tensor& g) {
  return torch::autograd::grad({y}, {x}, {g}, true)[0];
}

at::Tensor leaf(const at::Tensor& x) {
  return x.to(at::kDouble).detach().requires_grad_(true);
}

}  // namespace

TEST_CASE("the memory's features and gates, and their gradients, are the formulas'") {
  const int64_t length = GENERATE(1, 2, 37), size = GENERATE(3, 64);
  INFO(length << " x " << size);
  const at::Tensor x = normal({2, length, 3, size}).transpose(1, 2);  // as projections lie
  const at::Tensor g = normal({2, 3, length, size});
  const at::Tensor x64 = leaf(x), g64 = g.to(at::kDouble);
  const at::Tensor s = at::silu(x64);
  const at::Tensor features = s / at::linalg_vector_norm(s, 2, {-1}, true).clamp_min(1e-6);
  CHECK(apart(normed_silu(x), features) < bound(at::kFloat));
  CHECK(apart(normed_silu_backward(g, x), gradient(features, x64, g64)) < 4 * bound(at::kFloat));
  at::Tensor window = x64;
  for (int64_t back = 1; back <= 2; ++back)
    window = window + at::cat({x64.narrow(2, 0, 1).expand({2, 3, std::min(back, length), size}),
                               x64.narrow(2, 0, std::max<int64_t>(length - back, 0))},
                              2);
  const at::Tensor gate = at::sigmoid(window / 3);
  CHECK(apart(pooled_gate(x), gate) < bound(at::kFloat));
  CHECK(apart(pooled_gate_backward(g, pooled_gate(x)), gradient(gate, x64, g64)) <
        bound(at::kFloat));
}

TEST_CASE("features of nothing are nothing") {
  const at::Tensor zero = at::zeros({1, 1, 2, 8}), g = at::ones({1, 1, 2, 8});
  CHECK(normed_silu(zero).equal(zero));
  CHECK(apart(normed_silu_backward(g, zero), g * 0.5e6) < 1e-6);  // silu'(0) / 1e-6
}

TEST_CASE("a memory is mixed by a gate of the query, and all six get their gradients") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const auto [soft, soft64] = numbers({130, 3, 40}, type);
  const auto [q, q64] = numbers({130, 3, 40}, type);
  const auto [g, g64] = numbers({130, 3, 40}, type);
  const GatedMix in{soft, normal({130, 3, 40}), q, normal({3}), normal({3, 40}) / 5, at::rand({3})};
  const at::Tensor s = leaf(in.soft), r = leaf(in.raw), query = leaf(q), gate = leaf(in.gate),
                   weight = leaf(in.gate_weight), size = leaf(in.size);
  const at::Tensor mu = (gate + (query * weight).sum(-1)).sigmoid().unsqueeze(-1);
  const at::Tensor mixed = s * (1 - mu) + mu * r * size.unsqueeze(-1);
  CHECK(apart(gated_mix(in), mixed) < bound(type));
  const GatedMix got = gated_mix_backward(g, in);
  CHECK(apart(got.soft, gradient(mixed, s, g64)) < bound(type));
  CHECK(apart(got.raw, gradient(mixed, r, g64)) < bound(at::kFloat));
  CHECK(apart(got.q, gradient(mixed, query, g64)) < bound(type));
  for (const auto& [mine, theirs] :
       {std::pair(got.gate, gate), std::pair(got.gate_weight, weight), std::pair(got.size, size)})
    CHECK(apart(mine, gradient(mixed, theirs, g64)) < 10 * bound(at::kFloat));
}

TEST_CASE("a memory is mixed in the softmax's size, and so are the gradients") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const auto [soft, soft64] = numbers({130, 3, 40}, type);
  const auto [g, g64] = numbers({130, 3, 40}, type);
  const at::Tensor lin = normal({130, 3, 40}) * 7, mu = at::rand({3});
  const at::Tensor s = leaf(soft), l = leaf(lin), m = leaf(mu);
  const auto mean_square = [](const at::Tensor& x) { return x.square().mean(-1, true) + 1e-6; };
  const at::Tensor weight = m.view({1, 3, 1});
  const at::Tensor mixed = s * (1 - weight) + weight * l * (mean_square(s) / mean_square(l)).sqrt();
  CHECK(apart(matched_mix(soft, lin, mu, 1e-6), mixed) < bound(type));
  const auto grads = matched_mix_backward(g, soft, lin, mu, 1e-6);
  CHECK(apart(grads.soft, gradient(mixed, s, g64)) < bound(type));
  CHECK(apart(grads.lin, gradient(mixed, l, g64)) < bound(at::kFloat));
  CHECK(apart(grads.mu, gradient(mixed, m, g64)) < 10 * bound(at::kFloat));
}
