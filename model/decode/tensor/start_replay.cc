// DeviceModel: recorded steps, once they have been tried out on this device.

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/base/random.h"
#include "model/base/status_macros.h"
#include "model/decode/tensor/device_model.h"
#include "model/decode/tensor/replay_step.h"
#include "model/decode/tensor/tensor_step.h"
#include "model/nn/torch_guard.h"
#include "model/state_layout.h"

namespace strata {
namespace {

constexpr int64_t kMostChecked = 300;  // items of the first sequence
constexpr int64_t kCheckedSequences = 3;
constexpr int64_t kItemsApart = 5;

// Of logits that go up to 1.
double Tolerance(torch::ScalarType type) {
  switch (type) {
    case torch::kDouble: return 1e-10;
    case torch::kFloat: return 1e-3;
    default: return 0.1;
  }
}

}  // namespace

std::vector<int64_t> DeviceModel::RowsOfStates(int64_t bytes) const {
  const StateLayout layout = MakeStateLayout(config_, config_.max_context);
  const double states = static_cast<double>(bytes) /
                        static_cast<double>(layout.values * value_bytes());
  std::vector<int64_t> rows;
  for (int l = 0; l < stacks(); ++l) {
    const auto each = static_cast<double>(layout.levels[l].values / level(l).dim);
    rows.push_back(1 + static_cast<int64_t>(states * each));
  }
  return rows;
}

absl::Status DeviceModel::StartReplay(std::unique_ptr<Recorder> recorder,
                                      const ReplayOptions& options) {
  if (!ReplayPieces::Covers(config_)) {
    return absl::FailedPreconditionError("steps of this model are not recorded");
  }
  if (!stream_->own()) {
    return absl::FailedPreconditionError("another model has the same stream");
  }
  const absl::Status status = TorchGuard([&] {
    const c10::OptionalStreamGuard guard = stream_->Guard();
    {
      MutexLock lock(&mutex_);
      pool_.Keep(RowsOfStates(options.reserve_bytes));
      replay_ = std::make_unique<ReplayStep>(this, std::move(recorder));
    }
    return CheckReplay(options);
  });
  if (!status.ok()) StopReplay();
  return status;
}

void DeviceModel::StopReplay() {
  MutexLock lock(&mutex_);
  replay_.reset();
  pool_.Release();
}

// Sequences at different offsets of their blocks, the first through two units of the top
// where that is no more than kMostChecked items, in batches of one and more, with padding.
absl::Status DeviceModel::CheckReplay(const ReplayOptions& options) {
  const torch::NoGradGuard no_grad;
  const int top = static_cast<int>(config_.levels.size()) - 1;
  const int64_t items = std::min<int64_t>(
      {config_.max_context, 2 * ItemBytes(config_, top) + 3, kMostChecked});
  std::vector<std::unique_ptr<TensorSequence>> replayed, stepped;
  for (int64_t i = 0; i < kCheckedSequences; ++i) {
    STRATA_ASSIGN_OR_RETURN(replayed.emplace_back(), NewSequence(items));
    STRATA_ASSIGN_OR_RETURN(stepped.emplace_back(), NewSequence(items));
  }
  MutexLock lock(&mutex_);
  for (int64_t t = 0; t < items; ++t) {
    const Item item = static_cast<Item>(RandomBits(1, t, 0) % 256);
    std::vector<TensorRow> recorded, plain;
    for (int64_t i = 0; i < kCheckedSequences && t >= i * kItemsApart; ++i) {
      recorded.push_back({replayed[i].get(), {&item, 1}, 1});
      plain.push_back({stepped[i].get(), {&item, 1}, 1});
    }
    STRATA_RETURN_IF_ERROR(CheckStep(recorded, plain));
  }
  replay_->Prepare(options.rows, options.keys);
  if (replay_->broken().empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("steps cannot be recorded: ", replay_->broken()));
}

absl::Status DeviceModel::CheckStep(absl::Span<const TensorRow> recorded,
                                    absl::Span<const TensorRow> plain) {
  const auto result = replay_->Run(recorded);
  if (!result.has_value()) {
    return absl::FailedPreconditionError("a step of one item is not recorded");
  }
  const auto want = net_->Head(TensorStep(this).Run(plain));
  const double off = (result->logits - want).abs().max().item<double>();
  const double size = std::max(1.0, want.abs().max().item<double>());
  if (off <= Tolerance(want.scalar_type()) * size) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("a recorded step gives other logits (off by ",
                                          off, " of ", size, ")"));
}

}  // namespace strata
