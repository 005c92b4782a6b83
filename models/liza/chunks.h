#pragma once

#include <vector>

#include "models/liza/operator.h"

namespace tptt {

// Inside of the chunk-parallel delta rule, shared by its two directions.

/// How L tokens of n virtual ones divide into chunks; zeros fill the last: they neither write nor
/// decay. Letters as in operator.h, with c chunks of C tokens, M = C * n virtual ones.
struct Sizes {
  int64_t S, H, G, R, L, D, order, C, M, chunks;
};

at::Tensor to_chunks(const at::Tensor& x, const Sizes& z);  // [S, G, L * n, ..] -> [S, G, c, M, ..]
at::Tensor from_chunks(const at::Tensor& x, const Sizes& z);  // and back

// [S, H, L, D] <-> [S, G, c, R * C, D], the rows of a group's query heads one after another.
at::Tensor to_reads(const at::Tensor& x, const Sizes& z);
at::Tensor from_reads(const at::Tensor& x, const Sizes& z);

/// x [S, G, c, R * C, ..] times w [.., C, ..], in place.
at::Tensor& scale_reads(at::Tensor& x, const at::Tensor& w, const Sizes& z);

inline at::Tensor transposed(const at::Tensor& x) {
  return x.transpose(-1, -2);
}

/// What both directions need, for all chunks at once: [S, G, c] and the dimensions in brackets.
struct Chunks {
  Sizes z;
  at::Tensor q;          // [R * C, D]
  at::Tensor k, v, kb;   // [M, D], kb = beta * k
  at::Tensor read_mask;  // [C, M] 1 where a token's read sees virtual token i; times decay if any
  at::Tensor mask;       // [M, M] 1 strictly below the diagonal; times decay if any
  at::Tensor exp_c;      // [M, 1] decay since the chunk's start, read_c [C, 1] at the reads,
  at::Tensor read_c;     // tail [M, 1] until its end, total [1, 1] of the whole chunk
  at::Tensor tail, total;
  at::Tensor lower;  // [M, M] I + A
  at::Tensor u0, w;  // [M, D] (I + A)^-1 [V | K exp(c)]; no w where no chunk has a past
  std::vector<at::Tensor> us, starts;   // [S, G, M, D] and [S, G, D, D] of each chunk
  std::vector<at::Tensor> unactivated;  // [S, G, D, D] before each activation, or undefined
  at::Tensor final_state;               // [S, G, D, D]
};

Chunks make_chunks(const DeltaRuleInput& in, const at::Tensor& state, int64_t chunk_size,
                   bool need_final_state);

/// Which sequences [S, 1, 1, 1] reach the end of chunk i, where an activation is due; undefined:
/// none is due.
at::Tensor rows_to_activate(const DeltaRuleInput& in, const Sizes& z, int64_t i);

}  // namespace tptt
