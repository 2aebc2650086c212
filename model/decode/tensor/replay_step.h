#pragma once
// ReplayStep: steps that feed one item a row, as recorded work (model/decode/tensor/
// recorder.h): the host plans them, brings the plan to the device, and runs the pieces
// that it takes, each a recording for so many rows and so many cached keys, both rounded
// up to a power of two; keys of a stack that never sees many are all that it may ever see.
// A piece of a new size is run as it is, then recorded; so are all once the pool of states
// has grown, as recordings know where memory lies. What cannot be recorded is run as it is
// from then on; `broken` and the log say why.
//
// The DeviceModel's lock is held. Errors of Run are exceptions; sequences of a step that
// threw are of no use any more.

#include <torch/torch.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/types/span.h"
#include "model/decode/level_rows.h"
#include "model/decode/tensor/recorder.h"
#include "model/decode/tensor/replay_pieces.h"
#include "model/decode/tensor/replay_plan.h"
#include "model/decode/tensor/tensor_step.h"

namespace strata {

class ReplayStep {
 public:
  // More rows go the other way: launching kernels is little beside what they do.
  static constexpr int64_t kMostRows = 512;
  // Likewise more cached keys, of all rows with their padding.
  static constexpr int64_t kMostKeys = 131072;

  struct Result {
    torch::Tensor logits, hidden;  // [rows, V], [rows, D], until the next step
  };

  // REQUIRES: ReplayPieces::Covers(model->config()). The model outlives it.
  ReplayStep(DeviceModel* model, std::unique_ptr<Recorder> recorder);

  // Feeds the rows; their sizes grow. Nothing, and nothing has changed, where a row feeds
  // more than one item or the step is larger than what is recorded.
  std::optional<Result> Run(absl::Span<const TensorRow> rows);

  // Records the pieces of steps of up to so many rows that see up to so many cached keys,
  // so that no request waits for it. REQUIRES: a pool of states that has grown once.
  void Prepare(int64_t rows, int64_t keys);

  // Forgets recordings of pools that have moved since.
  void LookAtPools();

  const std::string& broken() const { return broken_; }
  int64_t recordings() const { return static_cast<int64_t>(recordings_.size()); }

 private:
  using Batch = LevelBatch<TensorSequence>;
  using Piece = ReplayPieces::Piece;
  using Key = std::tuple<Piece, int, int64_t, int64_t>;  // level, rows, keys

  // Whether the step may go this way; then the plans are made.
  bool Plan(absl::Span<const TensorRow> rows);
  // Pieces of level l for the rows of its plan.
  void Rise(int l);
  void Fall(int l);
  void Use(Piece piece, int l, int64_t rows, int64_t past);
  // The size of a recording that looks at so many cached keys.
  int64_t PastOf(int l, Stack stack, int64_t keys) const;
  int64_t PastOf(int l, Stack stack) const {
    return PastOf(l, stack, pieces_.plan(l).longest(stack));
  }

  DeviceModel* const model_;
  const int levels_;
  ReplayPieces pieces_;
  const std::unique_ptr<Recorder> recorder_;
  std::vector<Batch> batches_;
  std::vector<int64_t> rows_;  // per level, padding included
  std::vector<int64_t> most_;  // per level and stack, cached keys that it may ever see
  std::map<Key, std::unique_ptr<Recording>> recordings_;
  std::vector<torch::Tensor> pools_;  // as the recordings know them
  int64_t generation_ = -1;
  std::string broken_;
};

}  // namespace strata
