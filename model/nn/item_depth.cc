#include "model/nn/item_depth.h"

#include "model/stack_depth.h"

namespace strata {

torch::Tensor ItemDepth::Keep(const torch::Tensor& was,
                              const torch::Tensor& now) const {
  if (!going_.defined()) return now;
  return at::where(going_.unsqueeze(-1), now, was);
}

torch::Tensor ItemDepth::Going() const {
  return going_.defined() ? going_.nonzero().squeeze(1) : going_;
}

void ItemDepth::AfterRepeat(const torch::Tensor& x, bool last) {
  if (halting_ == nullptr) return;
  const auto p = halting_->forward(x);
  if (!going_.defined()) {
    going_ = at::ones_like(p, p.options().dtype(torch::kBool));
    spent_ = at::zeros_like(p);
    mean_ = at::zeros_like(x);
    depth_ = {at::zeros_like(p, p.options().dtype(torch::kLong)), spent_};
  }
  const auto halts = last ? going_ : going_ & (spent_ + p > 1 - kHaltingEpsilon);
  const auto goes_on = going_ & halts.logical_not();
  const auto rest = at::where(halts, 1 - spent_, at::zeros_like(p));
  const auto share = at::where(goes_on, p, rest);
  mean_ = mean_ + share.unsqueeze(-1) * x;
  depth_.repeats = depth_.repeats + going_;
  depth_.ponder = depth_.ponder + going_ + rest;
  spent_ = spent_ + at::where(goes_on, p, at::zeros_like(p));
  going_ = goes_on;
}

}  // namespace strata
