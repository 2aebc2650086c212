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

void ItemDepth::AfterRun(int run, bool repeat, bool last, const torch::Tensor& x) {
  if (halting_ == nullptr && exits_ == nullptr) return;
  if (exits_ != nullptr && !exits_->open()) {
    if (exits_->After(run) || last) depth_.states.push_back(x);
    return;
  }
  if (!going_.defined()) Begin(x);
  depth_.layers = depth_.layers + going_;
  if (exits_ != nullptr && exits_->After(run)) {
    going_ = going_ & exits_->Leaves(run, x).logical_not();
  }
  if (halting_ != nullptr && repeat) Halt(x, last);
}

void ItemDepth::Begin(const torch::Tensor& x) {
  const auto one = x.detach().select(-1, 0);
  going_ = at::ones_like(one, one.options().dtype(torch::kBool));
  depth_.layers = at::zeros_like(one, one.options().dtype(torch::kLong));
  if (halting_ == nullptr) return;
  spent_ = depth_.ponder = at::zeros_like(one);
  mean_ = at::zeros_like(x.detach());
}

void ItemDepth::Halt(const torch::Tensor& x, bool last) {
  const auto p = halting_->forward(x);
  const auto halts = last ? going_ : going_ & (spent_ + p > 1 - kHaltingEpsilon);
  const auto goes_on = going_ & halts.logical_not();
  const auto rest = at::where(halts, 1 - spent_, at::zeros_like(p));
  const auto share = at::where(goes_on, p, rest);
  mean_ = mean_ + share.unsqueeze(-1) * x;
  depth_.ponder = depth_.ponder + going_ + rest;
  spent_ = spent_ + at::where(goes_on, p, at::zeros_like(p));
  going_ = goes_on;
}

}  // namespace strata
