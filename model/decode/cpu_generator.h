#pragma once
// The CPU executor of one worker: checks every row of a step before anything
// moves, then runs LevelStep. Owns scratch and helper threads, no weights.
// Single owner thread; the model outlives it.

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/decode/cpu_model.h"
#include "model/decode/level_step.h"
#include "model/decode/thread_pool.h"
#include "model/generator.h"

namespace strata {

template <typename T>
class CpuGenerator final : public Generator {
 public:
  CpuGenerator(const CpuModel<T>* model, int threads)
      : model_(model), pool_(threads), step_(model, &pool_) {}

  absl::StatusOr<std::unique_ptr<Sequence>> NewSequence(
      int64_t capacity) override;
  using Generator::Fork;
  absl::StatusOr<std::unique_ptr<Sequence>> Fork(const Sequence& sequence,
                                                 int64_t capacity) override;
  absl::Status Restore(const Sequence& snapshot, Sequence* sequence) override;
  absl::Status Step(absl::Span<const StepRow> rows) override;
  absl::Status Draft(absl::Span<DraftRow> rows) override;
  absl::Status Rewind(Sequence* sequence, int64_t items) override;
  void ParallelFor(int64_t n, absl::FunctionRef<void(int64_t)> body) override {
    pool_.ParallelFor(n, [&](int, int64_t i) { body(i); });
  }

  // Step with logits of the executor's own scalar: what tests compare.
  struct ExactRow {
    Sequence* sequence = nullptr;
    absl::Span<const Item> items;
    absl::Span<T> logits;
    absl::Span<T> hidden = {};
    int64_t drafts = 0;
  };
  absl::Status StepExact(absl::Span<const ExactRow> rows);

 private:
  absl::Status RunStep();  // of feed_
  absl::StatusOr<CpuSequence<T>*> Own(const Sequence* sequence) const;
  template <typename Row>
  absl::Status CheckGuesses(const CpuSequence<T>& sequence, const Row& row) const;
  template <typename Row>
  absl::Status CheckAll(absl::Span<const Row> rows);

  const CpuModel<T>* const model_;
  ThreadPool pool_;
  LevelStep<T> step_;
  std::vector<const Sequence*> seen_;  // scratch of CheckAll
  std::vector<FeedRow<T>> feed_;       // scratch of a step
};

extern template class CpuGenerator<float>;
extern template class CpuGenerator<double>;

}  // namespace strata
