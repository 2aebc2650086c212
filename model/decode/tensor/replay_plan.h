#pragma once
// ReplayPlan: what the host decides for one level in a step that feeds one item a row, as
// numbers in one array of fixed layout, so that recorded work (model/decode/tensor/recorder.h)
// finds them where it was told to look. The array is of `rows` rows, some of which may be
// padding: those read pool row 0, which is zeros, and write pool row 1, which is nobody's.
//
//   per stack that attends, by row          position, write, slots; and of kRuns runs of
//                                           cached keys: begin, end (columns), row, item, step
//   below the top                           buffer (pool row that takes h), context (read),
//                                           bridge_keys, bridge_values, bridge_seen [W]
//   above the byte level, by completed unit units [PoolItems] (where its items lie: pool
//   (of the level below)                    rows of that level, or rows of its h),
//                                           contexts [ContextRows], bridged [2] (pool rows
//                                           of that level that take what is said about it)
//
// Column c of a run's is the key of item `item + c * step`, in pool row `row + c` of the
// stack's first layer. Plain values.

#include <cstdint>
#include <vector>

#include "model/decode/level_rows.h"
#include "model/decode/tensor/tensor_sequence.h"
#include "model/model_config.h"

namespace strata {

inline constexpr int64_t kNobodysRow = 1;

class ReplayPlan {
 public:
  static constexpr int64_t kRuns = 4;

  // A part of the array: [rows * width] from `offset * rows` on.
  struct Part {
    int64_t offset = 0;
    int64_t width = 0;
  };
  struct StackParts {
    Part position, write, slots, begin, end, row, item, step;
  };

  // Of level l of `config`.
  ReplayPlan(const ModelConfig& config, int l);

  const StackParts& stack(Stack stack) const { return stacks_[static_cast<int>(stack)]; }
  const Part& buffer() const { return buffer_; }
  const Part& context() const { return context_; }
  const Part& bridge_keys() const { return bridge_keys_; }
  const Part& bridge_values() const { return bridge_values_; }
  const Part& bridge_seen() const { return bridge_seen_; }
  const Part& units() const { return units_; }
  const Part& contexts() const { return contexts_; }
  const Part& bridged() const { return bridged_; }
  int64_t width() const { return width_; }  // numbers a row

  // Begins anew with so many rows, all of them padding.
  void Reset(int64_t rows);
  // The rows of the level's batch, and those of the level below (null at the byte level),
  // whose completed units they are. False where a row has more runs than kRuns.
  // REQUIRES: a count of 1 in each row; batch.items <= the rows of Reset.
  bool Fill(const LevelBatch<TensorSequence>& batch,
            const LevelBatch<TensorSequence>* below);

  const std::vector<int64_t>& numbers() const { return numbers_; }
  // The most cached keys that a row sees in a stack.
  int64_t longest(Stack stack) const { return longest_[static_cast<int>(stack)]; }

 private:
  Part Take(int64_t width);
  void TakeStack(Stack stack, int runs);
  int64_t& At(const Part& part, int64_t row, int64_t i = 0) {
    return numbers_[part.offset * rows_ + row * part.width + i];
  }
  bool FillStack(Stack stack, const LevelBatch<TensorSequence>& batch);
  bool FillRuns(Stack stack, const ScopeSpec& spec, const StackRow<TensorSequence>& from,
                int64_t cache, int64_t row);
  // What row `row` reads of what the level above says.
  void FillContext(const LevelBatch<TensorSequence>& batch, int64_t row);
  void FillUnit(const LevelBatch<TensorSequence>& below, int64_t row, int64_t unit);

  const LevelConfig level_, below_;
  const int number_;  // of the level
  StackParts stacks_[2];
  Part buffer_, context_, bridge_keys_, bridge_values_, bridge_seen_;
  Part units_, contexts_, bridged_;
  int64_t width_ = 0;
  int64_t rows_ = 0;
  int64_t longest_[2] = {0, 0};
  std::vector<int64_t> numbers_;
};

}  // namespace strata
