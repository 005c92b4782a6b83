#include "models/kernels/chunk_delta.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>

#include "models/kernels/buffers.h"
#include "models/kernels/chunk_delta_backward.h"
#include "models/kernels/dispatch.h"

namespace tptt {
namespace {

using chunk::Backward;
using chunk::Problem;
using chunk::View;

#define TPTT_STEP(P, name)                                        \
  TPTT_V4 void name##_v4(const P& p, int64_t i, float* scratch) { \
    chunk::name<6, 4, 16>(p, i, scratch);                         \
  }                                                               \
  TPTT_V3 void name##_v3(const P& p, int64_t i, float* scratch) { \
    chunk::name<6, 2, 8>(p, i, scratch);                          \
  }                                                               \
  void name##_any(const P& p, int64_t i, float* scratch) {        \
    chunk::name<2, 1, 8>(p, i, scratch);                          \
  }                                                               \
  auto name(Level level) {                                        \
    return at_level(level, name##_v4, name##_v3, name##_any);     \
  }
TPTT_STEP(Problem, prepare)
TPTT_STEP(Problem, scan)
TPTT_STEP(Problem, read)
TPTT_STEP(Backward, reads_backward)
TPTT_STEP(Backward, scan_backward)
TPTT_STEP(Backward, finish_backward)
#undef TPTT_STEP

View view_of(const at::Tensor& x) {
  // What is only read is never written through it.
  return {const_cast<float*>(x.const_data_ptr<float>()), x.stride(0), x.stride(1), x.stride(2)};
}

// A problem and what keeps its memory.
struct Work {
  std::vector<at::Tensor> held;

  View view(const at::Tensor& x) {
    held.push_back(rows_side_by_side(x.detach()));
    return view_of(held.back());
  }

  float* memory(at::IntArrayRef shape) {
    held.push_back(floats(shape));
    return held.back().mutable_data_ptr<float>();
  }

  const float* whole(const at::Tensor& x) {
    if (!x.defined()) return nullptr;
    held.push_back(x.detach().contiguous());
    return held.back().const_data_ptr<float>();
  }
};

void set_problem(Problem& p, Work& work, const DeltaRuleInput& in, const at::Tensor& state,
                 int64_t chunk_size) {
  p.S = in.q.size(0), p.H = in.q.size(1), p.L = in.q.size(2), p.D = in.q.size(3);
  p.G = in.k.size(1), p.R = p.H / p.G, p.order = in.k.size(2) / p.L;
  p.C = std::min(p.L, std::max<int64_t>(1, chunk_size / p.order));
  p.M = p.C * p.order;
  p.chunks = (p.L + p.C - 1) / p.C;
  p.width = round_up(p.D, chunk::kPadding), p.rows = round_up(p.M, chunk::kPadding);
  p.q = work.view(in.q), p.k = work.view(in.k), p.v = work.view(in.v), p.beta = work.view(in.beta);
  p.log_alpha = work.whole(in.log_alpha), p.state = work.whole(state);
  p.o = {}, p.final_state = nullptr;
  const int64_t all = p.S * p.G * p.chunks;
  p.c = work.memory({all, p.rows}), p.n = work.memory({all, p.rows, p.rows});
  p.wn = work.memory({all, p.rows, p.width}), p.u = work.memory({all, p.rows, p.width});
  p.u0 = p.u;
  p.starts = work.memory({all, p.width, p.width});
}

template <class P, class F>
void for_all(const P& p, int64_t count, int64_t pieces, const F& step) {
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    const at::Tensor scratch = floats({pieces * chunk::pieces_of(p, nullptr).size});
    for (int64_t i = begin; i < end; ++i) step(p, i, scratch.mutable_data_ptr<float>());
  });
}

}  // namespace

bool has_chunk_kernel(const DeltaRuleInput& in) {
  return in.q.is_cpu() && in.q.scalar_type() == at::kFloat && !in.activated;
}

DeltaRuleOutput chunk_delta_forward(const DeltaRuleInput& in, const at::Tensor& state,
                                    int64_t chunk_size, bool need_final_state, Level level) {
  Problem p;
  Work work;
  set_problem(p, work, in, state, chunk_size);
  DeltaRuleOutput out{by_token(p.S, p.H, p.L, p.D, at::kFloat), {}};
  p.o = view_of(out.o);
  if (need_final_state) {
    out.state = floats({p.S, p.G, p.D, p.D});
    p.final_state = out.state.mutable_data_ptr<float>();
  }
  for_all(p, p.S * p.G * p.chunks, chunk::kForwardPieces, prepare(level));
  for_all(p, p.S * p.G, chunk::kForwardPieces, scan(level));
  for_all(p, p.S * p.G * p.chunks, chunk::kForwardPieces, read(level));
  return out;
}

DeltaRuleGrad chunk_delta_backward(const DeltaRuleInput& in, const at::Tensor& state,
                                   int64_t chunk_size, const at::Tensor& grad_o,
                                   const at::Tensor& grad_state, Level level) {
  Backward p;
  Work work;
  set_problem(p, work, in, state, chunk_size);
  const int64_t all = p.S * p.G * p.chunks, length = p.L * p.order;
  p.u0 = work.memory({all, p.rows, p.width});
  p.g = work.view(grad_o);
  p.grad_final = work.whole(grad_state);
  p.gu = work.memory({all, p.rows, p.width}), p.gkb = work.memory({all, p.rows, p.width});
  p.states = work.memory({all, p.width, p.width}), p.gc = work.memory({all, p.rows});
  DeltaRuleGrad out;
  out.q = by_token(p.S, p.H, p.L, p.D, at::kFloat);
  for (at::Tensor* x : {&out.k, &out.v, &out.beta})
    *x = by_token(p.S, p.G, length, p.D, at::kFloat);
  p.gq = view_of(out.q), p.gk = view_of(out.k), p.gv = view_of(out.v), p.gbeta = view_of(out.beta);
  if (in.log_alpha.defined()) out.log_alpha = floats({p.S, p.G, length});
  if (state.defined()) out.state = floats({p.S, p.G, p.D, p.D});
  p.glog_alpha = in.log_alpha.defined() ? out.log_alpha.mutable_data_ptr<float>() : nullptr;
  p.grad_state = state.defined() ? out.state.mutable_data_ptr<float>() : nullptr;
  for_all(p, all, chunk::kForwardPieces, prepare(level));
  for_all(p, p.S * p.G, chunk::kForwardPieces, scan(level));
  for_all(p, all, chunk::kBackwardPieces, reads_backward(level));
  for_all(p, p.S * p.G, chunk::kBackwardPieces, scan_backward(level));
  for_all(p, all, chunk::kBackwardPieces, finish_backward(level));
  return out;
}

}  // namespace tptt
