#include "models/frozen_weight.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>

#include "models/formats/dequant.h"
#include "models/kernels/few_rows.h"
#include "models/kernels/gemm.h"
#include "models/kernels/narrow.h"

namespace tptt {
namespace {

// Decoded at once: small enough for the second-level cache, large enough for a matrix product.
constexpr int64_t kTileNumbers = 512 * 1024;

// A row of blocks in float32 -> to [in].
void decode_row(const FrozenWeight& weight, int64_t row, float* to) {
  const uint8_t* blocks = weight.blocks.const_data_ptr<uint8_t>() + row * weight.blocks.size(1);
  to_float32(weight.type, reinterpret_cast<const std::byte*>(blocks), weight.in, to);
}

// A row of blocks as a row of `to`, in float32 or bfloat16.
void decode_into(const FrozenWeight& weight, int64_t row, at::Tensor& to, int64_t to_row,
                 std::vector<float>& buffer) {
  if (to.scalar_type() == at::kFloat)
    return decode_row(weight, row, to.mutable_data_ptr<float>() + to_row * weight.in);
  buffer.resize(size_t(weight.in));
  decode_row(weight, row, buffer.data());
  to_bfloat16(buffer.data(), weight.in, to.mutable_data_ptr<c10::BFloat16>() + to_row * weight.in);
}

// Rows begin .. begin + count of the weight in the first rows of `tile`.
void decode(const FrozenWeight& weight, int64_t begin, int64_t count, at::Tensor& tile) {
  const int64_t grain = std::max<int64_t>(1, 8192 / weight.in);
  at::parallel_for(0, count, grain, [&](int64_t first, int64_t last) {
    std::vector<float> buffer;
    for (int64_t i = first; i < last; ++i) decode_into(weight, begin + i, tile, i, buffer);
  });
}

// f(tile [count, in], begin, count) over all rows: all of them at once where they are dense, else
// decoded to float32 or to what the library multiplies with `like`, on its device.
template <class F>
void for_tiles(const FrozenWeight& weight, const at::Tensor& like, const F& f) {
  const int64_t out = weight.rows();
  if (!weight.packed()) return f(weight.dense, 0, out);
  const int64_t rows = std::clamp<int64_t>(kTileNumbers / weight.in, 1, out);
  at::Tensor tile = at::empty({rows, weight.in}, at::TensorOptions().dtype(at::kFloat));
  if (!has_gemm(like, tile)) tile = tile.to(like.scalar_type());
  for (int64_t begin = 0; begin < out; begin += rows) {
    const int64_t count = std::min(rows, out - begin);
    decode(weight, begin, count, tile);
    f(tile.narrow(0, 0, count).to(like.device()), begin, count);
  }
}

// sum = or += g W.
void add_products(at::Tensor sum, const at::Tensor& g, const FrozenWeight& weight, bool add) {
  for_tiles(weight, g, [&](const at::Tensor& tile, int64_t begin, int64_t count) {
    const at::Tensor part = g.narrow(1, begin, count);
    if (has_gemm(part, tile)) {
      gemm(sum, part, tile, {.add = add || begin > 0});
    } else {
      sum.addmm_(part, tile, add || begin > 0 ? 1 : 0);
    }
  });
}

}  // namespace

at::Tensor to_dense(const FrozenWeight& weight, at::ScalarType type) {
  if (!weight.packed()) return weight.dense.to(type);
  at::Tensor all = at::empty({weight.rows(), weight.in}, at::TensorOptions().dtype(type));
  decode(weight, 0, all.size(0), all);
  return all;
}

std::vector<at::Tensor> times_transposed(const at::Tensor& x,
                                         const std::vector<const FrozenWeight*>& weights) {
  const auto few = [&](const FrozenWeight* weight) { return has_few_rows(x, *weight); };
  if (std::all_of(weights.begin(), weights.end(), few)) return few_rows_mm(x, weights);
  std::vector<at::Tensor> ys;
  for (const FrozenWeight* weight : weights) ys.push_back(times_transposed(x, *weight));
  return ys;
}

at::Tensor times_transposed(const at::Tensor& x, const FrozenWeight& weight) {
  if (has_few_rows(x, weight)) return few_rows_mm(x, {&weight})[0];
  if (!weight.packed() && !has_gemm(x, weight.dense)) return at::mm(x, weight.dense.t());
  at::Tensor y = at::empty({x.size(0), weight.rows()}, x.options());
  for_tiles(weight, x, [&](const at::Tensor& tile, int64_t begin, int64_t count) {
    at::Tensor part = y.narrow(1, begin, count);
    if (has_gemm(x, tile)) return gemm(part, x, tile, {.transposed = true});
    at::mm_out(part, x, tile.t());
  });
  return y;
}

at::Tensor times(const at::Tensor& g, const FrozenWeight& weight) {
  if (!weight.packed() && !has_gemm(g, weight.dense)) return at::mm(g, weight.dense);
  at::Tensor sum = at::empty({g.size(0), weight.columns()}, g.options());
  add_products(sum, g, weight, false);
  return sum;
}

void add_times_(const at::Tensor& sum, const at::Tensor& g, const FrozenWeight& weight) {
  add_products(sum, g, weight, true);
}

at::Tensor rows_of(const FrozenWeight& weight, const at::Tensor& ids, at::ScalarType type) {
  if (!weight.packed()) return at::embedding(weight.dense, ids).to(type);
  const at::Tensor wanted = ids.to(at::kCPU).contiguous();
  at::Tensor rows = at::empty({wanted.numel(), weight.in}, at::TensorOptions().dtype(type));
  std::vector<float> buffer;
  for (int64_t i = 0; i < wanted.numel(); ++i)
    decode_into(weight, wanted.const_data_ptr<int64_t>()[i], rows, i, buffer);
  return rows.to(ids.device());
}

}  // namespace tptt
