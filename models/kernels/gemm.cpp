#include "models/kernels/gemm.h"

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

#include <algorithm>

#include "models/kernels/buffers.h"
#include "models/kernels/dispatch.h"
#include "models/kernels/gemm_panel.h"
#include "models/kernels/library_gemm.h"

// Goto's scheme without the packing of a: rows of activations lie well as they are. A task takes a
// panel of columns of b through all rows, kDepth at a time, so that a packed piece stays in the
// first two caches and each number of b is widened, transposed and packed once. Where a is long
// (logits' gradients), a task takes several panels, so that a is read from memory once.

namespace tptt {
namespace {

constexpr int64_t kDepth = 192;            // of a packed piece, and of a chain of roundings
constexpr int64_t kTurn = 24;              // rows between prefetches: of whole tiles
constexpr int64_t kNearNumbers = 1 << 19;  // of a: 2 MB
constexpr int64_t kSums = 1 << 17;         // of several panels: half a MB
constexpr int64_t kMostRows = 1024;        // of a task: its sums stay in the second-level cache
constexpr int64_t kLeastRows = 64;         // fewer are not worth a packing of their own

struct Problem {
  const float* a;
  const void* b;
  void* c;
  int64_t m, n, k, lda, ldb, ldc;
  bool b_bfloat16, c_bfloat16;
  GemmOptions options;
};

// The same with both factors in bfloat16, where a number of the depth is a pair of them.
Problem in_pairs(Problem p) {
  p.k /= 2, p.lda /= 2;
  if (p.options.transposed) p.ldb /= 2;
  return p;
}

// Of a length in as few pieces of at most `most` as may be: pieces as long as each other, of whole
// vectors.
TPTT_INLINE int64_t even_share(int64_t length, int64_t most) {
  const int64_t pieces = (length + most - 1) / most;
  return round_up((length + pieces - 1) / std::max<int64_t>(1, pieces), 16);
}

// A task: rows first .. first + rows of the columns column .. column + width, of one or more
// panels.
struct Part {
  int64_t first, rows, column, width;
};

// The depth k0 .. k0 + k of b, in pairs or of type B.
template <int V, int W, class Numbers, class B>
TPTT_INLINE void pack_piece(const Problem& p, const Part& part, int64_t k0, int64_t k,
                            float* piece) {
  const B* b = static_cast<const B*>(p.b);
  if (p.options.transposed && Numbers::kPer == 2) {
    const auto* pairs = static_cast<const float*>(p.b) + part.column * p.ldb + k0;
    panel::pack_transposed<V, W>(pairs, p.ldb, k, part.width, piece);
  } else if (p.options.transposed) {
    panel::pack_transposed<V, W>(b + part.column * p.ldb + k0, p.ldb, k, part.width, piece);
  } else if constexpr (Numbers::kPer == 2) {
    panel::zip_rows<W>(b + 2 * k0 * p.ldb + part.column, p.ldb, 2 * k, part.width, piece, V * W);
  } else {
    panel::pack<V, W>(b + k0 * p.ldb + part.column, p.ldb, k, part.width, piece);
  }
}

// What the next piece is packed from: rows of bytes.
struct Ahead {
  const char* at;
  int64_t rows, bytes, stride;
};

// Asks for the share `turn` of `turns`.
TPTT_INLINE void prefetch(const Ahead& ahead, int64_t turn, int64_t turns) {
  for (int64_t row = ahead.rows * turn / turns; row < ahead.rows * (turn + 1) / turns; ++row)
    for (int64_t i = 0; i < ahead.bytes; i += 64)
      __builtin_prefetch(ahead.at + row * ahead.stride + i, 0, 2);
}

// The piece of a panel's depth from k0 on.
template <class Numbers>
Ahead ahead_of(const Problem& p, const Part& panel, int64_t k0, int64_t depth) {
  const int64_t k = std::min(depth, p.k - k0), width = std::min(panel.width, p.n - panel.column);
  const bool transposed = p.options.transposed;
  const int64_t per = transposed ? 1 : Numbers::kPer;  // rows of b to a number of the depth
  const int64_t size = p.b_bfloat16 && (Numbers::kPer == 1 || !transposed) ? 2 : 4;
  const int64_t row = transposed ? panel.column : k0 * per;
  const int64_t in_row = transposed ? k0 : panel.column;
  return {static_cast<const char*>(p.b) + (row * p.ldb + in_row) * size,
          transposed ? width : k * per, (transposed ? k : width) * size, p.ldb * size};
}

// What a task multiplies after that panel's piece from k0 on: the next panel, or the first with the
// next piece, or the next task's.
template <class Numbers>
Ahead ahead_of_next(const Problem& p, const Part& part, const Part& panel, int64_t k0,
                    int64_t depth) {
  Part next = panel;
  next.column += panel.width;
  if (next.column < part.column + part.width) return ahead_of<Numbers>(p, next, k0, depth);
  if (k0 + depth >= p.k) return ahead_of<Numbers>(p, next, 0, depth);
  next.column = part.column;
  return ahead_of<Numbers>(p, next, k0 + depth, depth);
}

// c = or, with `add`, += rows of a times a packed piece, while the next one is asked for.
template <int R, int V, int W, class Numbers, class Result>
TPTT_INLINE void multiply_piece(panel::Left a, int64_t rows, const float* piece, int64_t k,
                                const Ahead& ahead, const Result& c, bool add) {
  const int64_t turns = (rows + kTurn - 1) / kTurn;
  for (int64_t turn = 0; turn < turns; ++turn) {
    const int64_t row = turn * kTurn;
    prefetch(ahead, turn, turns);
    panel::rows_of_tiles<R, V, W, Numbers>(a.rows_from(row), {piece, V * W}, k,
                                           std::min(kTurn, rows - row), c.from(row), add);
  }
}

// A panel's depth k0 .. k0 + depth: its sums are gathered at `sums`, and with the last piece go to
// c.
template <int R, int V, int W, class Numbers, class B, class C>
TPTT_INLINE void multiply_panel(const Problem& p, const Part& panel, int64_t k0, int64_t depth,
                                const Ahead& ahead, float* piece, float* sums) {
  C* c = static_cast<C*>(p.c) + panel.first * p.ldc + panel.column;
  const panel::Rows<float> gathered{sums, V * W};
  const panel::LastOfSums<C> last{{sums, V * W}, {c, p.ldc}, p.options.add};
  const int64_t k = std::min(depth, p.k - k0);
  const panel::Left a{p.a + panel.first * p.lda + k0, p.lda, 1};
  const bool whole = panel.width == V * W, is_last = k0 + depth >= p.k;
  pack_piece<V, W, Numbers, B>(p, panel, k0, k, piece);
  if (whole && is_last) {
    multiply_piece<R, V, W, Numbers>(a, panel.rows, piece, k, ahead, last, k0 > 0);
    return;
  }
  multiply_piece<R, V, W, Numbers>(a, panel.rows, piece, k, ahead, gathered, k0 > 0);
  if (is_last) panel::unpack<V, W>(sums, panel.rows, panel.width, c, p.ldc, p.options.add);
}

// sums: room for [rows, columns of the part's panels].
template <int R, int V, int W, class Numbers, class B, class C>
TPTT_INLINE void multiply_part(const Problem& p, const Part& part, float* piece, float* sums) {
  constexpr int64_t kPanel = V * W;
  const int64_t depth = even_share(p.k, kDepth);
  for (int64_t k0 = 0; k0 < p.k; k0 += depth)
    for (int64_t column = 0; column < part.width; column += kPanel) {
      const Part panel{part.first, part.rows, part.column + column,
                       std::min(kPanel, part.width - column)};
      multiply_panel<R, V, W, Numbers, B, C>(p, panel, k0, depth,
                                             ahead_of_next<Numbers>(p, part, panel, k0, depth),
                                             piece, sums + column * part.rows);
    }
}

template <int R, int V, int W>
TPTT_INLINE void multiply_part_of_floats(const Problem& p, const Part& part, float* piece,
                                         float* sums) {
  using Floats = panel::Floats;
  if (p.b_bfloat16 && p.c_bfloat16) {
    multiply_part<R, V, W, Floats, c10::BFloat16, c10::BFloat16>(p, part, piece, sums);
  } else if (p.b_bfloat16) {
    multiply_part<R, V, W, Floats, c10::BFloat16, float>(p, part, piece, sums);
  } else if (p.c_bfloat16) {
    multiply_part<R, V, W, Floats, float, c10::BFloat16>(p, part, piece, sums);
  } else {
    multiply_part<R, V, W, Floats, float, float>(p, part, piece, sums);
  }
}

// As many sums as the registers hold: 24 of 32, and 12 of 16.
TPTT_V4 void part_v4(const Problem& p, const Part& part, float* piece, float* sums) {
  multiply_part_of_floats<8, 3, 16>(p, part, piece, sums);
}

TPTT_V4 void part_of_pairs(const Problem& p, const Part& part, float* piece, float* sums) {
  multiply_part<8, 3, 16, panel::Pairs, c10::BFloat16, c10::BFloat16>(p, part, piece, sums);
}

TPTT_V3 void part_v3(const Problem& p, const Part& part, float* piece, float* sums) {
  multiply_part_of_floats<6, 2, 8>(p, part, piece, sums);
}

void part_any(const Problem& p, const Part& part, float* piece, float* sums) {
  multiply_part_of_floats<2, 1, 8>(p, part, piece, sums);
}

struct Version {
  int64_t width;  // of a panel
  void (*part)(const Problem&, const Part&, float* piece, float* sums);
};

// Whether the library multiplies bfloat16 by instructions not used here (AMX, ARM's).
bool library_is_faster() {
#if defined(__x86_64__) && defined(__GNUC__)
  return multiplies_tiles();
#else
  return true;
#endif
}

// How many panels a task takes side by side: as many as there are for a thread and as their sums
// have room in a cache, where rows of a are too many numbers to wait there for the next panel.
int64_t panels_a_task(const Problem& p, int64_t rows, int64_t panels, int64_t width) {
  if (rows * p.k <= kNearNumbers) return 1;
  const int64_t threads = at::get_num_threads();
  return std::clamp<int64_t>(kSums / (rows * width), 1, (panels + threads - 1) / threads);
}

void multiply(const Version& version, const Problem& p) {
  const int64_t panels = (p.n + version.width - 1) / version.width;
  // As many rows a task as may be, but work for every thread.
  const int64_t wanted = (2 * at::get_num_threads() + panels - 1) / panels;
  const int64_t rows =
      std::min({kMostRows, p.m, std::max(kLeastRows, (p.m + wanted - 1) / wanted)});
  const int64_t chunks = (p.m + rows - 1) / rows;
  const int64_t width = version.width * panels_a_task(p, rows, panels, version.width);
  at::parallel_for(0, (p.n + width - 1) / width * chunks, 1, [&](int64_t begin, int64_t end) {
    const at::Tensor piece = floats({kDepth * version.width});
    const at::Tensor sums = floats({rows * width});
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % chunks * rows, column = i / chunks * width;
      const Part part{first, std::min(rows, p.m - first), column, std::min(width, p.n - column)};
      version.part(p, part, piece.mutable_data_ptr<float>(), sums.mutable_data_ptr<float>());
    }
  });
}

bool rows_are_contiguous(const at::Tensor& x) {
  return x.dim() == 2 && (x.stride(1) == 1 || x.size(1) == 1);
}

// Whether the depth of both factors lies in pairs.
bool can_pair(const at::Tensor& a, const at::Tensor& b, GemmOptions options) {
  return a.scalar_type() == at::kBFloat16 && b.scalar_type() == at::kBFloat16 &&
         a.size(1) % 2 == 0 && a.stride(0) % 2 == 0 &&
         (!options.transposed || b.stride(0) % 2 == 0);
}

}  // namespace

bool has_gemm(const at::Tensor& a, const at::Tensor& b) {
  static const bool as_it_is = multiplies_pairs() || library_is_faster();
  static const bool widens = !as_it_is && levels().front() != Level::any;
  static const bool float32 = is_amd() && levels().front() == Level::v4;
  if (!has_cpu_kernel(a) || !has_cpu_kernel(b)) return false;
  const int narrow = (a.scalar_type() == at::kBFloat16) + (b.scalar_type() == at::kBFloat16);
  return narrow == 0 ? float32 : widens || (as_it_is && narrow == 2);
}

void gemm(at::Tensor& c, const at::Tensor& given, const at::Tensor& b, GemmOptions options,
          Level level) {
  TORCH_INTERNAL_ASSERT(rows_are_contiguous(given) && rows_are_contiguous(b) &&
                        rows_are_contiguous(c));
  const bool narrow = given.scalar_type() == at::kBFloat16 && b.scalar_type() == at::kBFloat16 &&
                      c.scalar_type() == at::kBFloat16;
  if (narrow && level == levels().front() && library_is_faster())
    return library_gemm(c, given, b, options);
  const bool pairs = level == Level::v4 && multiplies_pairs() && can_pair(given, b, options);
  const at::Tensor a = pairs ? given : given.to(at::kFloat);
  Problem p;
  p.a = static_cast<const float*>(a.const_data_ptr());
  p.b = b.const_data_ptr();
  p.c = c.mutable_data_ptr();
  p.m = a.size(0), p.k = a.size(1), p.n = c.size(1);
  p.lda = a.stride(0), p.ldb = b.stride(0), p.ldc = c.stride(0);
  p.b_bfloat16 = b.scalar_type() == at::kBFloat16;
  p.c_bfloat16 = c.scalar_type() == at::kBFloat16;
  p.options = options;
  if (pairs) return multiply({48, part_of_pairs}, in_pairs(p));
  multiply(at_level(level, Version{48, part_v4}, Version{16, part_v3}, Version{8, part_any}), p);
}

}  // namespace tptt
