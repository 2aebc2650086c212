#pragma once
// The state of one stream of the tensor executor: its rows in the StatePool of
// its device. Destruction gives them back. See model/generator.h for the
// contract; the DeviceModel outlives it.

#include <cstdint>
#include <vector>

#include "model/decode/level_rows.h"
#include "model/generator.h"
#include "model/state_layout.h"

namespace strata {

class DeviceModel;

class TensorSequence final : public Sequence {
 public:
  // Rows of one level, or of a stream: where each part begins, in its pool.
  struct Place {
    int64_t encoder = 0;  // caches [layers][K, V][slots]
    int64_t decoder = 0;  // likewise
    int64_t pool = 0;     // [BufferedItems]; of the base of streams, [StreamTail]
    int64_t context = 0;  // [ContextRows]; of a stream, its newest items by layer
    int64_t router = 0;   // [RouterItems]
    int64_t bridge = 0;   // [K, V][BridgeSlots]
    int64_t enc_slots = 0;
    int64_t dec_slots = 0;
    int64_t knn = 0;  // [K, V][knn_slots], the ring of a memory of neighbours
    int64_t knn_slots = 0;
    int64_t kept = 0;  // rows behind the caches, from `pool` on
  };

  // Takes rows of `model`, whose lock is held; they hold nothing yet.
  TensorSequence(DeviceModel* model, int64_t capacity);
  ~TensorSequence() override;

  int64_t size() const override { return progress_.levels[0].items; }
  int64_t capacity() const override { return capacity_; }
  int64_t bytes() const override;

  const DeviceModel* model() const { return model_; }
  const Progress& progress() const { return progress_; }
  Progress* mutable_progress() { return &progress_; }
  const Place& place(int level) const { return places_[level]; }

  // A step that failed halfway leaves a state of no use.
  bool damaged() const { return damaged_; }
  void set_damaged(bool damaged) { damaged_ = damaged; }

 private:
  DeviceModel* const model_;
  const int64_t capacity_;
  Progress progress_;
  bool damaged_ = false;
  int64_t values_ = 0;  // numbers in the state
  std::vector<int64_t> rows_;
  std::vector<int64_t> first_;
  std::vector<Place> places_;
};

}  // namespace strata
