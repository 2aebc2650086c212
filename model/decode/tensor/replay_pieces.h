#pragma once
// ReplayPieces: the step of tensor_step.h for one item a row, in pieces that always ask
// the device for the same: what the host decides they read from plans on the device
// (model/decode/tensor/replay_plan.h), what one piece makes for another lies in buffers
// of its own. Each piece may be run twice in place of once. Of level l, from the bottom
// to the top and down again:
//
//   kUnits   the units that complete are pooled      l > 0; items z of the level
//   kEncode  z through the encoder                   h; into the buffer of the open unit
//   kBridge  what context c says about them          l > 0; into the states of the level below
//   kDecode  h, and what the level above said        c; of the byte level, the logits
//
// Covers models whose step needs no look at what the device computed: neither routers nor
// items that stop early, nor positions that are biases or sinusoids of distances; nor
// prefixes, streams, trees, sums, means and memories of neighbours, nor encoders that look
// ahead, which go the other way.
// The DeviceModel's lock is held. Errors are exceptions.

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "model/decode/tensor/cached_attention.h"
#include "model/decode/tensor/device_model.h"
#include "model/decode/tensor/replay_plan.h"
#include "model/nn/upload.h"

namespace strata {

class ReplayPieces {
 public:
  enum class Piece { kUnits, kEncode, kBridge, kDecode };
  // Cached keys that a stack looks at, at least.
  static constexpr int64_t kLeastPast = 16;

  // Whether it covers such a model.
  static bool Covers(const ModelConfig& config);

  // Buffers for steps of at most so many rows. REQUIRES: Covers(model->config()).
  ReplayPieces(DeviceModel* model, int64_t most_rows);

  // `pools`: of each level its tensor in the StatePool. `rows`: of the level, padding
  // included; `past`: cached keys that its stack looks at, padding included.
  void Run(Piece piece, int l, int64_t rows, int64_t past,
           const std::vector<torch::Tensor>& pools);

  // Of the byte level [rows, V], [rows, D]; until the next step.
  torch::Tensor logits(int64_t rows) const { return logits_.narrow(0, 0, rows); }
  torch::Tensor hidden(int64_t rows) const { return levels_[0].c.narrow(0, 0, rows); }
  // Bring what the host has decided to the device.
  void SetItems(const std::vector<int64_t>& items) { UploadInto(items, items_); }
  void SetPlan(int l) { UploadInto(levels_[l].plan.numbers(), levels_[l].numbers); }
  // What the host decides, of level l.
  ReplayPlan& plan(int l) { return levels_[l].plan; }
  const ReplayPlan& plan(int l) const { return levels_[l].plan; }

 private:
  struct LevelBuffers {
    ReplayPlan plan;
    torch::Tensor numbers;  // of the plan, on the device
    torch::Tensor z, h, c;  // [most rows, D]
  };

  const LevelConfig& level(int l) const { return model_->level(l); }
  LevelImpl& net(int l) const { return model_->net().level(l); }
  bool IsTop(int l) const { return l + 1 == static_cast<int>(levels_.size()); }
  // A part of a level's plan, [rows, width].
  torch::Tensor Part(int l, const ReplayPlan::Part& part, int64_t rows) const;
  torch::Tensor Flat(int l, const ReplayPlan::Part& part, int64_t rows) const {
    return Part(l, part, rows).flatten();
  }

  void Units(int l, int64_t rows, const torch::Tensor& pool_below);
  void Encode(int l, int64_t rows, int64_t past, torch::Tensor pool);
  void Bridge(int l, int64_t rows, torch::Tensor pool_below);
  void Decode(int l, int64_t rows, int64_t past, torch::Tensor pool);
  torch::Tensor FromAbove(int l, const torch::Tensor& h, const torch::Tensor& pool);
  torch::Tensor RunStack(int l, Stack stack, const torch::Tensor& z, int64_t past,
                         torch::Tensor pool);
  CachedAttention::SingleItems Keys(int l, Stack stack, int64_t rows,
                                    int64_t past) const;

  DeviceModel* const model_;
  std::vector<LevelBuffers> levels_;
  torch::Tensor items_;   // [most rows]
  torch::Tensor logits_;  // [most rows, V]
  torch::Tensor columns_;  // 0, 1, ..: the longest past
};

}  // namespace strata
