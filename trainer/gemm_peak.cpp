#include "trainer/gemm_peak.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "trainer/loss.h"
#include "trainer/runtime.h"

namespace tptt {

double gemm_peak_gflops(CausalLM& model, int64_t tokens, int64_t targets) {
  std::map<std::tuple<int64_t, int64_t, int64_t>, double> shapes;  // (rows, in, out): how many
  for (const Linear* linear : model.linears()) {
    const bool head = linear == &model.head();
    const int64_t all = std::max<int64_t>(1, head ? targets : tokens);
    const int64_t rows = head ? loss_rows(all) : all;
    shapes[{rows, linear->in, linear->out}] += linear->share * double(all) / double(rows);
  }
  double work = 0, seconds = 0;  // of a forward and a backward
  for (const auto& [shape, count] : shapes) {
    const auto [rows, in, out] = shape;
    const double gflop = 2e-9 * double(rows) * double(in) * double(out) * count;
    for (const bool transposed : {false, true}) {
      work += gflop;
      seconds +=
          gflop / measure_gemm_gflops(rows, in, out, transposed, model.dtype(), model.device());
    }
  }
  return work / seconds;
}

}  // namespace tptt
