#pragma once
// Where the items of rows lie in the documents that are packed in them. Pure functions,
// thread-safe.

#include <torch/torch.h>

#include <cstdint>
#include <tuple>

namespace strata {

// [B, n] of segments [B, n], n > 0: true where item i is its document's first.
inline torch::Tensor DocumentBegins(const torch::Tensor& segments) {
  return at::constant_pad_nd(segments.slice(1, 1) != segments.slice(1, 0, -1),
                             {1, 0}, 1);
}

// The place of each item in its document: [1, n], or [B, n] with documents.
inline torch::Tensor IndexInDocument(int64_t n, const torch::Tensor& segments,
                                     const torch::TensorOptions& like) {
  const auto place =
      torch::arange(n, like.dtype(torch::kLong).requires_grad(false)).unsqueeze(0);
  if (!segments.defined() || n < 2) return place;
  const auto begins = DocumentBegins(segments);
  const auto first = at::where(begins, place, 0);
  return place - std::get<0>(first.cummax(1));
}

}  // namespace strata
