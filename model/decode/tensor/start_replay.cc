// DeviceModel: recorded steps, once they have been tried out on this device.

#include <algorithm>
#include <utility>

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
  const absl::Status status = TorchGuard([&] {
    const c10::OptionalStreamGuard guard = OnStream();
    {
      MutexLock lock(&mutex_);
      pool_.Keep(RowsOfStates(options.reserve_bytes));
      replay_ = std::make_unique<ReplayStep>(this, std::move(recorder));
    }
    return CheckReplay(options);
  });
  if (!status.ok()) replay_.reset();
  return status;
}

// Twice the items of a unit of the top, so that every piece is replayed.
absl::Status DeviceModel::CheckReplay(const ReplayOptions& options) {
  const torch::NoGradGuard no_grad;
  const int top = static_cast<int>(config_.levels.size()) - 1;
  const int64_t items = std::min<int64_t>(
      {config_.max_context, 2 * ItemBytes(config_, top) + 3, 300});
  STRATA_ASSIGN_OR_RETURN(const auto replayed, NewSequence(items));
  STRATA_ASSIGN_OR_RETURN(const auto stepped, NewSequence(items));
  MutexLock lock(&mutex_);
  for (int64_t t = 0; t < items; ++t) {
    const Item item = static_cast<Item>(RandomBits(1, t, 0) % 256);
    const auto result = replay_->Run({{replayed.get(), {&item, 1}, 1}});
    if (!result.has_value()) {
      return absl::FailedPreconditionError("a step of one item is not recorded");
    }
    const auto want =
        net_->Head(TensorStep(this).Run({{stepped.get(), {&item, 1}, 1}}));
    const double off = (result->logits - want).abs().max().item<double>();
    const double size = std::max(1.0, want.abs().max().item<double>());
    if (off <= Tolerance(want.scalar_type()) * size) continue;
    return absl::InternalError(absl::StrCat(
        "a recorded step gives other logits (off by ", off, " of ", size, ")"));
  }
  replay_->Prepare(options.rows, options.keys);
  if (replay_->broken().empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("steps cannot be recorded: ", replay_->broken()));
}

}  // namespace strata
