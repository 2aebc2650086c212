// LevelStep: guesses at the items behind the next one, by n-gram heads
// (model/hierarchy/item_loss.h): head k says x[t + k] from the context c that
// stands for x[t],
//
//   logits = W (c + down(gelu(up(norm(c)))))           D0 -> D0 -> D0 -> vocab
//
// one product of all rows a matrix. The likeliest item is the guess.

#include <algorithm>

#include "absl/status/status.h"
#include "model/decode/level_step.h"
#include "model/decode/rewind.h"

namespace strata {

template <typename T>
void LevelStep<T>::KeepContexts(absl::Span<const FeedRow<T>> rows) {
  const LevelScratch<T>& s = scratch_[0];
  const int64_t width = PaddedWidth(level_config(0).dim);
  const T* context = s.norm.data();
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].sequence->rewind()->KeepContexts(context, width, s.rows[i].wanted);
    context += s.rows[i].wanted * width;
  }
}

template <typename T>
absl::Status LevelStep<T>::Draft(absl::Span<DraftRow> rows) {
  LevelScratch<T>& s = scratch_[0];
  const int64_t width = PaddedWidth(level_config(0).dim);
  const Product<T>& product =
      model_->kernels().products[static_cast<int>(model_->weight_type())];
  const int64_t prepared =
      product.prepare == nullptr ? 0 : product.row_bytes(level_config(0).dim);
  const auto m = static_cast<int64_t>(rows.size());
  if (!s.x.Reserve(m * width) || !s.norm.Reserve(m * width) ||
      !s.ff.Reserve(m * width) || !s.att.Reserve(m * width) ||
      !logits_.Reserve(m * PaddedWidth(model_->config().vocab)) ||
      !prepared_.Reserve(m * prepared)) {
    return absl::ResourceExhaustedError("no memory for the scratch of guesses");
  }
  std::vector<size_t> guessing;
  for (size_t i = 0; i < rows.size(); ++i) {
    auto* const sequence = static_cast<CpuSequence<T>*>(rows[i].sequence);
    const T* const context = sequence->rewind()->context();
    rows[i].count = 0;
    if (context == nullptr || rows[i].guesses.empty()) continue;
    std::copy_n(context, level_config(0).dim, s.x.data() + guessing.size() * width);
    guessing.push_back(i);
  }
  const int heads = static_cast<int>(model_->weights().ngram.size());
  for (int head = 0; head < heads && !guessing.empty(); ++head) {
    GuessWith(head, rows, guessing);
  }
  for (const size_t i : guessing) {
    auto* const sequence = static_cast<CpuSequence<T>*>(rows[i].sequence);
    rows[i].count = RewindRecord<T>::Room(*sequence, {rows[i].next},
                                          rows[i].guesses.first(rows[i].count));
  }
  return absl::OkStatus();
}

template <typename T>
void LevelStep<T>::GuessWith(int head, absl::Span<DraftRow> rows,
                             absl::Span<const size_t> guessing) {
  LevelScratch<T>& s = scratch_[0];
  const NgramWeights<T>& w = model_->weights().ngram[head];
  const int64_t width = PaddedWidth(level_config(0).dim);
  const int64_t vocab = model_->config().vocab;
  const auto m = static_cast<int64_t>(guessing.size());
  Norm(0, s.x.data(), m, w.norm, s.norm.data());
  MatMul(s.norm.data(), width, m, w.up, s.ff.data(), width, Epilogue::kGelu);
  std::copy_n(s.x.data(), m * width, s.att.data());
  MatMul(s.ff.data(), width, m, w.down, s.att.data(), width, Epilogue::kAdd);
  MatMul(s.att.data(), width, m, model_->weights().head, logits_.data(),
         PaddedWidth(vocab), Epilogue::kStore);
  for (int64_t i = 0; i < m; ++i) {
    DraftRow& row = rows[guessing[i]];
    if (row.count != head || head >= static_cast<int64_t>(row.guesses.size())) {
      continue;
    }
    const T* const logits = logits_.data() + i * PaddedWidth(vocab);
    row.guesses[row.count++] =
        static_cast<Item>(std::max_element(logits, logits + vocab) - logits);
  }
}

template class LevelStep<float>;
template class LevelStep<double>;

}  // namespace strata
