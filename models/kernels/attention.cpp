#include "models/kernels/attention.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <initializer_list>
#include <type_traits>

#include "models/formats/levels.h"
#include "models/kernels/attention_head.h"
#include "models/kernels/buffers.h"
#include "models/kernels/dispatch.h"
#include "models/kernels/gemm_tiles.h"

namespace tptt {
namespace {

using head::Gradients;
using head::Inputs;

constexpr int64_t kManyTasks = 8;  // a thread: then no two threads' shares differ by much

template <class T>
TPTT_V4 void forward_v4(const Inputs<T>& in, head::Strided<T> o, float* lse, float* scratch) {
  head::forward<6, 4, 16, panel::Floats>(in, o, lse, scratch);
}

template <class T>
TPTT_V3 void forward_v3(const Inputs<T>& in, head::Strided<T> o, float* lse, float* scratch) {
  head::forward<6, 2, 8, panel::Floats>(in, o, lse, scratch);
}

template <class T>
void forward_any(const Inputs<T>& in, head::Strided<T> o, float* lse, float* scratch) {
  head::forward<2, 1, 8, panel::Floats>(in, o, lse, scratch);
}

template <class T>
TPTT_V4 void backward_v4(const Inputs<T>& in, const Gradients<T>& grads, float* scratch) {
  head::backward<6, 4, 16, panel::Floats>(in, grads, scratch);
}

template <class T>
TPTT_V3 void backward_v3(const Inputs<T>& in, const Gradients<T>& grads, float* scratch) {
  head::backward<6, 2, 8, panel::Floats>(in, grads, scratch);
}

template <class T>
void backward_any(const Inputs<T>& in, const Gradients<T>& grads, float* scratch) {
  head::backward<2, 1, 8, panel::Floats>(in, grads, scratch);
}

TPTT_V4 void forward_in_pairs(const Inputs<c10::BFloat16>& in, head::Strided<c10::BFloat16> o,
                              float* lse, float* scratch) {
  head::forward<6, 4, 16, panel::Pairs>(in, o, lse, scratch);
}

TPTT_V4 void backward_in_pairs(const Inputs<c10::BFloat16>& in,
                               const Gradients<c10::BFloat16>& grads, float* scratch) {
  head::backward<6, 4, 16, panel::Pairs>(in, grads, scratch);
}

TPTT_V4 void forward_in_tiles(const Inputs<c10::BFloat16>& in, head::Strided<c10::BFloat16> o,
                              float* lse, float* scratch) {
  const panel::TileRegisters registers;
  head::forward<16, 4, 16, panel::Tiles>(in, o, lse, scratch);
}

TPTT_V4 void backward_in_tiles(const Inputs<c10::BFloat16>& in,
                               const Gradients<c10::BFloat16>& grads, float* scratch) {
  const panel::TileRegisters registers;
  head::backward<16, 4, 16, panel::Tiles>(in, grads, scratch);
}

template <class T>
auto forward_version(Level level, bool pairs) {
  if constexpr (std::is_same_v<T, c10::BFloat16>)
    if (pairs) return multiplies_tiles() ? &forward_in_tiles : &forward_in_pairs;
  return at_level(level, forward_v4<T>, forward_v3<T>, forward_any<T>);
}

template <class T>
auto backward_version(Level level, bool pairs) {
  if constexpr (std::is_same_v<T, c10::BFloat16>)
    if (pairs) return multiplies_tiles() ? &backward_in_tiles : &backward_in_pairs;
  return at_level(level, backward_v4<T>, backward_v3<T>, backward_any<T>);
}

// Whether rows lie in pairs and the level has products of them.
bool can_pair(Level level, std::initializer_list<at::Tensor> all) {
  return level == Level::v4 && (multiplies_pairs() || multiplies_tiles()) &&
         std::all_of(all.begin(), all.end(), [](const at::Tensor& x) {
           return x.size(3) % 2 == 0 && x.stride(2) % 2 == 0;
         });
}

// Head i % H of sequence i / H.
template <class T>
head::Strided<const T> rows_of(const at::Tensor& x, int64_t i, int64_t heads) {
  const int64_t h = i % heads / (heads / x.size(1));
  return {x.const_data_ptr<T>() + i / heads * x.stride(0) + h * x.stride(1), x.stride(2)};
}

template <class T>
head::Strided<T> own_rows_of(at::Tensor& x, int64_t i, int64_t heads) {
  return {x.mutable_data_ptr<T>() + i / heads * x.stride(0) + i % heads * x.stride(1), x.stride(2)};
}

template <class T>
Inputs<T> inputs_of(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t i,
                    const AttentionWindow& window, const ScoreConfig& score, int64_t before = 0) {
  const int64_t heads = q.size(1);
  return {rows_of<T>(q, i, heads),
          rows_of<T>(k, i, heads),
          rows_of<T>(v, i, heads),
          q.size(2),
          before,
          q.size(3),
          v.size(3),
          window.length,
          window.sinks,
          float(score.scaling),
          float(score.softcapping)};
}

// In how many parts the query heads of a key head are computed side by side, each part with a sum
// of its own for the key head's gradient: as few as keep all threads as busy.
int64_t parts_of_groups(int64_t groups, int64_t heads_a_group) {
  const int64_t threads = at::get_num_threads();
  for (int64_t parts = 1; parts < heads_a_group; ++parts) {
    const int64_t tasks = groups * parts;
    if (heads_a_group % parts == 0 && (tasks % threads == 0 || tasks >= kManyTasks * threads))
      return parts;
  }
  return heads_a_group;
}

}  // namespace

TiledAttention tiled_attention(const at::Tensor& given_q, const at::Tensor& given_k,
                               const at::Tensor& given_v, const AttentionWindow& window,
                               const ScoreConfig& score, const std::vector<int64_t>& before,
                               Level level) {
  const at::Tensor q = rows_side_by_side(given_q), k = rows_side_by_side(given_k),
                   v = rows_side_by_side(given_v);
  const int64_t heads = q.size(1), length = q.size(2);
  TiledAttention out{by_token(q.size(0), heads, length, v.size(3), q.scalar_type()),
                     at::empty({q.size(0), heads, length}, q.options().dtype(at::kFloat))};
  with_type(q, [&](auto t) {
    using T = decltype(t);
    const auto forward = forward_version<T>(level, can_pair(level, {q, k, v}));
    at::parallel_for(0, q.size(0) * heads, 1, [&](int64_t begin, int64_t end) {
      const Inputs<T> largest = inputs_of<T>(q, k, v, 0, window, score, k.size(2) - length);
      at::Tensor scratch = floats({head::forward_scratch(largest)});
      for (int64_t i = begin; i < end; ++i)
        forward(
            inputs_of<T>(q, k, v, i, window, score, before.empty() ? 0 : before[size_t(i / heads)]),
            own_rows_of<T>(out.o, i, heads), out.lse.mutable_data_ptr<float>() + i * length,
            scratch.mutable_data_ptr<float>());
    });
  });
  return out;
}

AttentionGradients tiled_attention_backward(const at::Tensor& given_g, const at::Tensor& given_q,
                                            const at::Tensor& given_k, const at::Tensor& given_v,
                                            const TiledAttention& done,
                                            const AttentionWindow& window, const ScoreConfig& score,
                                            Level level) {
  const at::Tensor q = rows_side_by_side(given_q), k = rows_side_by_side(given_k),
                   v = rows_side_by_side(given_v), g = rows_side_by_side(given_g),
                   o = rows_side_by_side(done.o);
  const int64_t heads = q.size(1), length = q.size(2);
  at::Tensor dq = by_token(q.size(0), heads, length, q.size(3), q.scalar_type());
  const int64_t groups = k.size(1), parts = parts_of_groups(q.size(0) * groups, heads / groups);
  const auto zeros = [&](int64_t width) {
    return at::zeros({q.size(0), groups * parts, length, round_up(width, head::kPadding)},
                     done.lse.options());
  };
  at::Tensor dk = zeros(k.size(3)), dv = zeros(v.size(3));
  const int64_t tasks = q.size(0) * groups * parts, heads_a_task = heads / (groups * parts);
  with_type(q, [&](auto t) {
    using T = decltype(t);
    const auto backward = backward_version<T>(level, can_pair(level, {q, k, v, g}));
    at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
      at::Tensor scratch =
          floats({head::backward_scratch(inputs_of<T>(q, k, v, 0, window, score))});
      for (int64_t i = begin * heads_a_task; i < end * heads_a_task; ++i) {
        const int64_t task = i / heads_a_task;
        const Gradients<T> grads{rows_of<T>(g, i, heads),
                                 rows_of<T>(o, i, heads),
                                 done.lse.const_data_ptr<float>() + i * length,
                                 own_rows_of<T>(dq, i, heads),
                                 own_rows_of<float>(dk, task, groups * parts).at,
                                 own_rows_of<float>(dv, task, groups * parts).at};
        backward(inputs_of<T>(q, k, v, i, window, score), grads, scratch.mutable_data_ptr<float>());
      }
    });
  });
  // Tokens one after another again.
  const auto of_groups = [&](const at::Tensor& x, const at::Tensor& like) {
    at::Tensor out = by_token(like.size(0), like.size(1), length, like.size(3), like.scalar_type());
    const at::Tensor cut = x.narrow(3, 0, like.size(3));
    if (parts == 1) return out.copy_(cut);
    return out.copy_(cut.unflatten(1, {groups, parts}).sum(2));
  };
  return {dq, of_groups(dk, k), of_groups(dv, v)};
}

}  // namespace tptt
