#include "trainer/gradient_sync.h"

#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>

namespace tptt {
namespace {

// Pieces small enough to leave early, large enough that a network's latency counts little.
constexpr int64_t kLeastPiece = 1 << 18, kMostPieces = 8;  // floats: 1 MiB

}  // namespace

struct GradientSync::Hook : torch::autograd::PostAccumulateGradHook {
  Hook(GradientSync& sync, size_t parameter) : sync(sync), parameter(parameter) {}
  void operator()(const at::Tensor&) override { sync.reached(parameter); }

  GradientSync& sync;
  size_t parameter;
};

GradientSync::GradientSync(const ProcessGroup& group, std::vector<Trainable> parameters)
    : group_(group), parameters_(std::move(parameters)) {
  std::reverse(parameters_.begin(), parameters_.end());
  if (parameters_.empty()) return;
  int64_t size = 0, begin = 0;
  for (const Trainable& p : parameters_) size += p.tensor.numel();
  buffer_ = at::zeros({size}, parameters_[0].tensor.options().requires_grad(false));
  const int64_t piece = std::max(kLeastPiece, (size + kMostPieces - 1) / kMostPieces);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& p = parameters_[i].tensor;
    if (pieces_.empty() || pieces_.back().size >= piece)
      pieces_.push_back({begin, 0, int64_t(i), int64_t(i), {}});
    pieces_.back().size += p.numel();
    pieces_.back().last = int64_t(i) + 1;
    views_.push_back(buffer_.narrow(0, begin, p.numel()).view(p.sizes()));
    begin += p.numel();
    torch::autograd::impl::set_post_acc_grad_hooks(p, std::make_unique<Hook>(*this, i));
  }
  used_.resize(parameters_.size());
  complete_.resize(parameters_.size());
}

GradientSync::~GradientSync() {
  for (const Trainable& p : parameters_)
    torch::autograd::impl::set_post_acc_grad_hooks(p.tensor, nullptr);
}

void GradientSync::begin() {
  if (buffer_.defined()) buffer_.zero_();
  for (size_t i = 0; i < parameters_.size(); ++i) {
    parameters_[i].tensor.mutable_grad() = views_[i];
    used_[i] = 0;
    complete_[i] = false;
  }
  num_sent_ = 0;
  last_ = false;
}

void GradientSync::expect_last() {
  last_ = true;
}

void GradientSync::reached(size_t parameter) {
  used_[parameter] = 1;
  if (!last_) return;
  complete_[parameter] = true;
  send_whole_pieces(false);
}

void GradientSync::send_whole_pieces(bool all) {
  for (; num_sent_ < pieces_.size(); ++num_sent_) {
    Piece& piece = pieces_[num_sent_];
    const auto first = complete_.begin() + piece.first, last = complete_.begin() + piece.last;
    if (!all && !std::all_of(first, last, [](bool whole) { return whole; })) return;
    piece.pending = group_.sum_async(buffer_.narrow(0, piece.begin, piece.size));
  }
}

std::vector<double> GradientSync::finish(const std::vector<double>& numbers) {
  send_whole_pieces(true);
  std::vector<double> sums = numbers;
  sums.insert(sums.end(), used_.begin(), used_.end());
  sums = group_.sum(sums);
  for (Piece& piece : pieces_) piece.pending.wait();
  for (size_t i = 0; i < parameters_.size(); ++i)
    if (sums[numbers.size() + i] == 0) parameters_[i].tensor.mutable_grad() = at::Tensor();
  sums.resize(numbers.size());
  return sums;
}

}  // namespace tptt
