#include "models/kernels/library_gemm.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <c10/core/GradMode.h>

namespace tptt {
namespace {

// c in `down` times `across` parts.
struct Grid {
  int64_t down, across;
};

// One part a thread, as square as may be: the less of the factors is read twice.
Grid grid_of(int64_t rows, int64_t columns, int64_t threads) {
  Grid best{1, threads};
  const auto edges = [&](Grid g) {
    return double(rows) / double(g.down) + double(columns) / double(g.across);
  };
  for (int64_t down = 2; down <= threads; ++down)
    if (threads % down == 0 && edges({down, threads / down}) < edges(best))
      best = {down, threads / down};
  return best;
}

void multiply(at::Tensor c, const at::Tensor& a, const at::Tensor& b, bool add) {
  if (add) {
    c.addmm_(a, b);
  } else {
    at::mm_out(c, a, b);
  }
}

}  // namespace

void library_gemm(at::Tensor& c, const at::Tensor& a, const at::Tensor& b, GemmOptions options) {
  const at::Tensor right = options.transposed ? b.t() : b;  // [k, n]
  const int64_t rows = c.size(0), columns = c.size(1);
  const Grid grid = grid_of(rows, columns, at::get_num_threads());
  at::parallel_for(0, grid.down * grid.across, 1, [&](int64_t begin, int64_t end) {
    c10::AutoGradMode no_grad(false);  // another thread's own
    for (int64_t i = begin; i < end; ++i) {
      const int64_t y = i / grid.across, x = i % grid.across;
      const int64_t top = rows * y / grid.down, bottom = rows * (y + 1) / grid.down;
      const int64_t left = columns * x / grid.across,
                    width = columns * (x + 1) / grid.across - left;
      if (bottom == top || width == 0) continue;
      multiply(c.narrow(0, top, bottom - top).narrow(1, left, width),
               a.narrow(0, top, bottom - top), right.narrow(1, left, width), options.add);
    }
  });
}

}  // namespace tptt
