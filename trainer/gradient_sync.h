#pragma once

#include <memory>
#include <vector>

#include "models/lora.h"
#include "trainer/process_group.h"

namespace tptt {

/// Sums the adapter's gradients over a group's processes while the backward still runs: all of them
/// lie in one buffer in the order in which a backward reaches them, and each piece of it leaves as
/// soon as it is whole.
class GradientSync {
 public:
  GradientSync(const ProcessGroup& group, std::vector<Trainable> parameters);
  ~GradientSync();
  GradientSync(const GradientSync&) = delete;
  GradientSync& operator=(const GradientSync&) = delete;

  /// Before a step's first backward: gradients become zeros in the buffer.
  void begin();
  /// Before this process's last backward of the step.
  void expect_last();
  /// After it (a process without a micro-batch calls this alone): sends what is left and waits.
  /// Parameters that no process reached have no gradient. Returns the sums of `numbers`, which
  /// travel along. Throws Error.
  std::vector<double> finish(const std::vector<double>& numbers);

 private:
  struct Hook;
  struct Piece {
    int64_t begin, size, first, last;  // floats of the buffer, parameters
    ProcessGroup::Pending pending;
  };

  void reached(size_t parameter);
  void send_whole_pieces(bool all);

  const ProcessGroup group_;
  std::vector<Trainable> parameters_;  // last layer first
  std::vector<at::Tensor> views_;      // of buffer_, one a parameter
  at::Tensor buffer_;                  // [all elements] float32
  std::vector<Piece> pieces_;
  std::vector<double> used_;    // 1: a backward of this step reached the parameter
  std::vector<bool> complete_;  // its last backward has
  size_t num_sent_ = 0;         // pieces leave in the same order everywhere
  bool last_ = false;
};

}  // namespace tptt
