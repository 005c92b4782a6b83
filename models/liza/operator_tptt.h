#pragma once

#include <ATen/core/Tensor.h>

namespace tptt {

/// Inputs of the operator that Python tptt 0.12.1 computes (docs/liza.md); letters as in
/// operator.h, virtual token j of token t in row t * n + j.
struct TpttInput {
  at::Tensor q;            // [S, H, L * n, D]
  at::Tensor k, v, beta;   // [S, G, L * n, D]
  at::Tensor alpha;        // [S, G, L * n, D], over the value dimension; undefined: 1
  int64_t order = 1;       // n
  bool activated = false;  // activate_state after every chunk
};

struct TpttOutput {
  at::Tensor o;      // [S, H, L, D]
  at::Tensor state;  // [S, G, D, D], key dimension first
};

/// The largest divisor of `length` that is at most `max_chunk_size`.
int64_t tptt_chunk_size(int64_t length, int64_t max_chunk_size);

/// The package's operator with autograd: every token of a chunk reads the state at the chunk's
/// start, so that the result depends on the chunk size, a divisor of L. `state` undefined: 1e-6
/// everywhere. Linear time and memory: no per-token state is formed.
TpttOutput tptt_operator(const TpttInput& in, const at::Tensor& state, int64_t chunk_size);

}  // namespace tptt
