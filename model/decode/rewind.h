#pragma once
// RewindRecord: what a sequence needs to take back guessed items (Stern et al.,
// "Blockwise Parallel Decoding", 1811.03115). A guess that ends no unit reaches the
// byte level alone, so taking it back sets that level's counters back and puts back
// what its keys and values overwrote in a ring; what the level above said stands.
//
//   contexts     [MostDrafts + 1][D0]  that predict the guesses and what follows them:
//                n-gram heads read the one behind the last item that is kept
//   overwritten  [MostDrafts][stacks][layers][K, V][D0]  of the byte level, where its
//                scopes keep items in rings
//
// Owned and used with its sequence. Its memory is part of the sequence's bytes().

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/decode/aligned_buffer.h"
#include "model/decode/kernels.h"
#include "model/decode/level_rows.h"
#include "model/items.h"
#include "model/model_config.h"
#include "model/state_layout.h"

namespace strata {

// The n-gram heads of a config whose last items can be taken back; else 0: where a
// router ends units they end for reasons that a guess cannot know, and sums, means,
// nodes of trees and what streams have read cannot be undone.
int MostDrafts(const ModelConfig& config);

// Of a record; 0 where MostDrafts is.
int64_t RewindBytes(const ModelConfig& config, const ValueBytes& bytes);

template <typename T>
class CpuSequence;

template <typename T>
class RewindRecord {
 public:
  // False without memory. `config` outlives the record.
  [[nodiscard]] bool Allocate(const ModelConfig& config, CacheType type);

  // Of the `guesses` behind `certain` items, how many may be fed and taken back.
  static int64_t Room(const CpuSequence<T>& sequence,
                      absl::Span<const Item> certain,
                      absl::Span<const Item> guesses);

  // Before a step that feeds `items`. REQUIRES: the last `drafts` fit into Room.
  void Save(const CpuSequence<T>& sequence, absl::Span<const Item> items,
            int64_t drafts);
  // After it: of the last `count` items, rows `stride` values apart.
  void KeepContexts(const T* rows, int64_t stride, int64_t count);

  int64_t drafts() const { return static_cast<int64_t>(after_.size()); }
  // REQUIRES: items <= drafts(), of the sequence of Save.
  void TakeBack(int64_t items, CpuSequence<T>* sequence);
  // [D0], behind the last item; null where the last step was asked for no logits.
  const T* context() const {
    return contexts_kept_ == 0 ? nullptr
                               : contexts_.data() + (contexts_kept_ - 1) * dim_;
  }
  // The context alone: a copy has no guesses to take back.
  void Follow(const RewindRecord& other);

 private:
  // Copies the slots of guess `guess`, from the caches or back into them.
  void MoveSlots(const CpuSequence<T>& sequence, int64_t guess, bool back);

  const ModelConfig* config_ = nullptr;
  int64_t dim_ = 0;
  int64_t first_guess_ = 0;  // number of the item
  AlignedBuffer<T> contexts_;
  int64_t contexts_kept_ = 0;
  AlignedBuffer<uint8_t> overwritten_;
  OpenUnit before_;              // the unit that was open before the first guess
  std::vector<OpenUnit> after_;  // and behind each of them
};

extern template class RewindRecord<float>;
extern template class RewindRecord<double>;

}  // namespace strata
