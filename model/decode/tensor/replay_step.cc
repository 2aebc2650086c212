#include "model/decode/tensor/replay_step.h"

#include <algorithm>
#include <exception>

#include "absl/numeric/bits.h"
#include "model/base/log.h"
#include "model/nn/torch_guard.h"
#include "model/state_layout.h"

namespace strata {
namespace {

constexpr int64_t kFewKeys = 512;

int64_t PowerOfTwo(int64_t n) {
  return static_cast<int64_t>(absl::bit_ceil(static_cast<uint64_t>(n)));
}

}  // namespace

ReplayStep::ReplayStep(DeviceModel* model, std::unique_ptr<Recorder> recorder)
    : model_(model),
      levels_(static_cast<int>(model->config().levels.size())),
      pieces_(model, kMostRows),
      recorder_(std::move(recorder)),
      batches_(levels_),
      rows_(levels_) {
  const ModelConfig& config = model->config();
  for (int l = 0; l < levels_; ++l) {
    const int64_t items = MaxItems(config, l, config.max_context);
    most_.push_back(EncoderSlots(config.levels[l], items));
    most_.push_back(DecoderSlots(config.levels[l], items + 1));
  }
}

std::optional<ReplayStep::Result> ReplayStep::Run(absl::Span<const TensorRow> rows) {
  if (!Plan(rows)) return std::nullopt;
  LookAtPools();
  std::vector<int64_t> items(rows_[0], 0);
  for (size_t i = 0; i < rows.size(); ++i) items[i] = rows[i].items[0];
  pieces_.SetItems(items);
  int top = 0;
  for (; top < levels_ && batches_[top].items > 0; ++top) Rise(top);
  while (top > 0) Fall(--top);
  for (int l = 0; l < levels_; ++l) AdvanceProgress(l, batches_[l]);
  const auto fed = static_cast<int64_t>(rows.size());
  return Result{pieces_.logits(fed), pieces_.hidden(fed)};
}

bool ReplayStep::Plan(absl::Span<const TensorRow> rows) {
  if (rows.empty() || static_cast<int64_t>(rows.size()) > kMostRows) return false;
  for (Batch& batch : batches_) batch.Clear();
  for (const TensorRow& row : rows) {
    if (row.items.size() != 1) return false;
    AddRow(model_->config(), row.sequence, row.items, row.wanted,
           [this](int l) -> Batch& { return batches_[l]; });
  }
  for (int l = 0; l < levels_ && batches_[l].items > 0; ++l) {
    rows_[l] = PowerOfTwo(batches_[l].items);
    ReplayPlan& plan = pieces_.plan(l);
    plan.Reset(rows_[l]);
    if (!plan.Fill(batches_[l], l > 0 ? &batches_[l - 1] : nullptr)) return false;
    for (const Stack stack : {Stack::kEncoder, Stack::kDecoder}) {
      if (rows_[l] * PastOf(l, stack) > kMostKeys) return false;
    }
  }
  return true;
}

void ReplayStep::Rise(int l) {
  pieces_.SetPlan(l);
  if (l > 0) Use(Piece::kUnits, l, rows_[l], 0);
  Use(Piece::kEncode, l, rows_[l], PastOf(l, Stack::kEncoder));
}

void ReplayStep::Fall(int l) {
  Use(Piece::kDecode, l, rows_[l], PastOf(l, Stack::kDecoder));
  if (l > 0) Use(Piece::kBridge, l, rows_[l], 0);
}

int64_t ReplayStep::PastOf(int l, Stack stack, int64_t keys) const {
  const int64_t most = most_[2 * l + static_cast<int>(stack)];
  if (most <= kFewKeys) return std::max(ReplayPieces::kLeastPast, most);
  return std::max(ReplayPieces::kLeastPast, PowerOfTwo(keys));
}

void ReplayStep::Use(Piece piece, int l, int64_t rows, int64_t past) {
  const Key key(piece, l, rows, past);
  const auto recorded = recordings_.find(key);
  if (recorded != recordings_.end()) return recorded->second->Replay();
  pieces_.Run(piece, l, rows, past, pools_);
  if (!broken_.empty()) return;
  try {
    recordings_[key] = recorder_->Record([this, piece, l, rows, past, pools = pools_] {
      pieces_.Run(piece, l, rows, past, pools);
    });
  } catch (const std::exception& error) {
    recordings_.erase(key);
    broken_ = std::string(StatusFromException(error).message());
    Log(Severity::kWarning, "steps are not recorded any more", {{"reason", broken_}});
  }
}

void ReplayStep::LookAtPools() {
  if (generation_ == model_->pool().generation()) return;
  recordings_.clear();
  pools_.clear();
  for (int l = 0; l < levels_; ++l) pools_.push_back(model_->pool().level(l));
  generation_ = model_->pool().generation();
}

// All padding: rows that read and write nobody's.
void ReplayStep::Prepare(int64_t rows, int64_t keys) {
  LookAtPools();
  for (int64_t n = 1; n <= std::min(rows, kMostRows); n *= 2) {
    for (int l = 0; l < levels_; ++l) {
      rows_[l] = n;
      pieces_.plan(l).Reset(n);
      Rise(l);
      for (int64_t past = 1; past <= keys; past *= 2) {
        Use(Piece::kEncode, l, n, PastOf(l, Stack::kEncoder, past));
        Use(Piece::kDecode, l, n, PastOf(l, Stack::kDecoder, past));
      }
      Fall(l);
    }
  }
}

}  // namespace strata
