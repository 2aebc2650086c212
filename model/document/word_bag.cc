#include "model/document/word_bag.h"

namespace strata {

WordBagImpl::WordBagImpl(int64_t buckets, int64_t dim, int64_t dim_above, double dropout)
    : dropout_(dropout),
      table_(register_module("table", Linear(dim, buckets))),
      norm_(register_module("norm", RmsNorm(dim))),
      out_(register_module("out", Linear(dim, dim_above))) {}

torch::Tensor WordBagImpl::forward(const SentenceGroup& group) {
  const auto& table = table_->weight;
  const auto on_device = [&](const std::vector<int64_t>& values) {
    return torch::tensor(values, torch::kInt64).to(table.device());
  };
  const auto starts = on_device(group.word_starts);
  const auto counts = starts.slice(0, 1) - starts.slice(0, 0, -1);
  auto shares = (1.0 / counts.to(table.scalar_type())).repeat_interleave(counts);
  if (is_training() && dropout_ > 0) {
    shares = shares * at::bernoulli(at::full_like(shares, 1 - dropout_)) / (1 - dropout_);
  }
  const auto sums = torch::nn::functional::embedding_bag(
      on_device(group.words), table,
      torch::nn::functional::EmbeddingBagFuncOptions()
          .mode(torch::kSum)
          .offsets(starts)
          .include_last_offset(true)
          .per_sample_weights(shares));
  return out_->forward(norm_->forward(sums));
}

}  // namespace strata
