#include "model/document/word_bag.h"

#include "model/nn/residual.h"

namespace strata {

WordBagImpl::WordBagImpl(int64_t buckets, int64_t dim, int64_t dim_above, double dropout)
    : dropout_(dropout),
      table_(register_module("table", Linear(dim, buckets))),
      sentence_norm_(register_module("sentence_norm", RmsNorm(dim))),
      text_norm_(register_module("text_norm", RmsNorm(dim))),
      sentence_out_(register_module("sentence_out", Linear(dim, dim_above))),
      text_out_(register_module("text_out", Linear(dim, dim_above))) {}

torch::Tensor WordBagImpl::Sentences(const SentenceGroup& group) {
  return sentence_out_->forward(sentence_norm_->forward(Sums(group.words)));
}

torch::Tensor WordBagImpl::Texts(const DocumentBatch& batch) {
  return text_out_->forward(text_norm_->forward(Sums(batch.words)));
}

torch::Tensor WordBagImpl::Sums(const WordRuns& runs) {
  const auto& table = table_->weight;
  const auto on_device = [&](const std::vector<int64_t>& values) {
    return torch::tensor(values, torch::kInt64).to(table.device());
  };
  const auto starts = on_device(runs.starts);
  const auto counts = starts.slice(0, 1) - starts.slice(0, 0, -1);
  const auto shares = Dropped(
      counts.to(table.scalar_type()).rsqrt().repeat_interleave(counts),
      is_training() ? dropout_ : 0.0);
  return torch::nn::functional::embedding_bag(
      on_device(runs.rows), table,
      torch::nn::functional::EmbeddingBagFuncOptions()
          .mode(torch::kSum)
          .offsets(starts)
          .include_last_offset(true)
          .per_sample_weights(shares));
}

}  // namespace strata
