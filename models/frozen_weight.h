#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "models/formats/file_type.h"

namespace tptt {

/// A base model's matrix [out, in]: a tensor, or ggml's blocks as their file has them
/// (quantization: keep), which are decoded a tile at a time where they multiply.
struct FrozenWeight {
  at::Tensor dense;               // [out, in]; undefined when packed
  at::Tensor blocks;              // [out, bytes of a row], uint8, on the CPU for every device
  FileType type = FileType::F32;  // of the blocks
  int64_t in = 0;                 // numbers of a row of blocks

  bool packed() const { return blocks.defined(); }
  bool defined() const { return packed() || dense.defined(); }
  int64_t rows() const { return packed() ? blocks.size(0) : dense.size(0); }
  int64_t columns() const { return packed() ? in : dense.size(1); }
  int64_t numel() const { return rows() * columns(); }
  /// Where its numbers lie: the same for tied matrices.
  const void* data() const { return (packed() ? blocks : dense).const_data_ptr(); }
};

/// All of it in a type; the tensor itself where it has that type.
at::Tensor to_dense(const FrozenWeight& weight, at::ScalarType type);

/// x [N, in] W^T -> [N, out], and g [N, out] W -> [N, in], in the type of the factor. Packed blocks
/// give no gradient here.
at::Tensor times_transposed(const at::Tensor& x, const FrozenWeight& weight);
/// The same with several weights.
std::vector<at::Tensor> times_transposed(const at::Tensor& x,
                                         const std::vector<const FrozenWeight*>& weights);
at::Tensor times(const at::Tensor& g, const FrozenWeight& weight);
/// sum [N, in] += g W.
void add_times_(const at::Tensor& sum, const at::Tensor& g, const FrozenWeight& weight);

/// The rows of the ids [N] -> [N, in].
at::Tensor rows_of(const FrozenWeight& weight, const at::Tensor& ids, at::ScalarType type);

}  // namespace tptt
